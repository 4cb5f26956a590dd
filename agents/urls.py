from django.urls import path

from agents import internal

urlpatterns = [
    path("", internal.plans, name="plans"),
    path("<str:digest>", internal.plan, name="plan"),
]
