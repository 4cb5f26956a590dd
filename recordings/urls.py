from django.urls import path

from recordings import views

app_name = "recordings"
urlpatterns = [
    path("play/<int:pk>", views.play, name="play"),
    path("call/<int:pk>/fragment", views.fragment, name="fragment"),
]
