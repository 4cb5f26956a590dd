from django.urls import path

from recordings import internal, internal_after

urlpatterns = [
    path("journal", internal.take_journal, name="take-journal"),
    path("recordings", internal.offer_recording, name="offer-recording"),
    path("recordings/<int:pk>/uploaded", internal.uploaded, name="recording-uploaded"),
    path("analyses", internal_after.hand_out, name="hand-out-analyses"),
    path("analyses/<int:pk>", internal_after.take, name="take-analysis"),
    path("analyses/<int:pk>/back", internal_after.give_back, name="give-back-analysis"),
]
