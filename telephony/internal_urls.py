from django.urls import path

from telephony import internal, internal_entrance, internal_outbound, internal_pauses

urlpatterns = [
    path("entrance", internal_entrance.decide, name="entrance"),
    path("pauses", internal_pauses.take_order, name="take-pause"),
    path("transfers", internal.ask_transfer, name="ask-transfer"),
    path("outbound/<int:pk>/claim", internal_outbound.claim, name="claim-outbound"),
]
