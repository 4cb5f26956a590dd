from django.urls import path

from agents import internal

urlpatterns = [
    path("", internal.plans, name="plans"),
    path("trials", internal.hand_out_trials, name="trials"),
    path("trials/<int:pk>", internal.take_trial, name="trial"),
    path("<str:digest>", internal.plan, name="plan"),
]
