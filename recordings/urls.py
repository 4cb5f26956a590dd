from django.urls import include, path

from recordings import views

app_name = "recordings"
urlpatterns = [
    path("play/<int:pk>", views.play, name="play"),
    path("call/<int:pk>/fragment", views.fragment, name="fragment"),
    path("", include("recordings.urls_review")),
]
