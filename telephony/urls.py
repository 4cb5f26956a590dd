from django.urls import path

from telephony import views

urlpatterns = [
    path("livekit", views.livekit_webhook, name="livekit-hook"),
    path("carriers/<str:token>", views.carrier_webhook, name="carrier-hook"),
]
