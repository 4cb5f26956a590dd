from django.urls import path

from recordings import internal

urlpatterns = [
    path("journal", internal.take_journal, name="take-journal"),
    path("recordings", internal.offer_recording, name="offer-recording"),
    path("recordings/pause", internal.pause_egress, name="pause-egress"),
    path("erased", internal.which_are_erased, name="which-are-erased"),
    path("recordings/<int:pk>/uploaded", internal.uploaded, name="recording-uploaded"),
]
