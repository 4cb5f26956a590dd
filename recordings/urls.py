from django.urls import include, path

from recordings import views, views_after

app_name = "recordings"
urlpatterns = [
    path("play/<int:pk>", views.play, name="play"),
    path("play/<int:pk>/<int:n>", views.play_part, name="play-part"),
    path("call/<int:pk>/fragment", views.fragment, name="fragment"),
    path("call/<int:pk>/after", views_after.again, name="after-again"),
    path("", include("recordings.urls_review")),
]
