from django.urls import path

from telephony import internal, internal_entrance

urlpatterns = [
    path("entrance", internal_entrance.decide, name="entrance"),
    path("transfers", internal.ask_transfer, name="ask-transfer"),
]
