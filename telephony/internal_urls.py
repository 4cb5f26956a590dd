from django.urls import path

from telephony import internal

urlpatterns = [path("transfers", internal.ask_transfer, name="ask-transfer")]
