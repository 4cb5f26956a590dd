from django.urls import path

from telephony import internal_entrance

urlpatterns = [path("entrance", internal_entrance.decide, name="entrance")]
