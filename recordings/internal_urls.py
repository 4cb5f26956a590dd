from django.urls import path

from recordings import internal, internal_after

urlpatterns = [
    path("journal", internal.take_journal, name="take-journal"),
    path("recordings", internal.offer_recording, name="offer-recording"),
    path("recordings/pause", internal.pause_egress, name="pause-egress"),
    path("erased", internal.which_are_erased, name="which-are-erased"),
    path("recordings/<int:pk>/uploaded", internal.uploaded, name="recording-uploaded"),
    path("analyses", internal_after.hand_out, name="hand-out-analyses"),
    path("analyses/<int:pk>", internal_after.take, name="take-analysis"),
    path("analyses/<int:pk>/back", internal_after.give_back, name="give-back-analysis"),
]
