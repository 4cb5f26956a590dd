from django.urls import path

from telephony import internal

urlpatterns = [path("<int:pk>/claim", internal.claim, name="claim-outbound")]
