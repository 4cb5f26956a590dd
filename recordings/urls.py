from django.urls import path

from recordings import views

app_name = "recordings"
urlpatterns = [
    path("play/<int:pk>", views.play, name="play"),
    path("play/<int:pk>/<int:n>", views.play_part, name="play-part"),
    path("call/<int:pk>/fragment", views.fragment, name="fragment"),
]
