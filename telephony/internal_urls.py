from django.urls import path

from telephony import internal, internal_entrance, internal_outbound

urlpatterns = [
    path("entrance", internal_entrance.decide, name="entrance"),
    path("transfers", internal.ask_transfer, name="ask-transfer"),
    path("outbound/<int:pk>/claim", internal_outbound.claim, name="claim-outbound"),
]
