from django.urls import path

from recordings import views_review, views_share

urlpatterns = [
    path("call/<int:pk>/shape", views_review.shape, name="shape"),
    path("call/<int:pk>/review", views_review.move, name="review"),
    path("call/<int:pk>/remarks", views_review.add_remark, name="add_remark"),
    path("call/<int:pk>/tags", views_review.add_tags, name="add_tags"),
    path("call/<int:pk>/shares", views_share.add, name="add_share"),
    path("remarks/<int:pk>/edit", views_review.edit_remark, name="edit_remark"),
    path("remarks/<int:pk>/delete", views_review.delete_remark, name="delete_remark"),
    path("call-tags/<int:pk>/remove", views_review.remove_tag, name="remove_tag"),
    path("tags", views_review.suggest_tags, name="tags"),
    path("queue/next", views_review.take_next, name="next"),
    path("shares/<int:pk>/revoke", views_share.revoke, name="revoke_share"),
    path("shared/<str:token>", views_share.open_link, name="shared"),
    path("shared/<str:token>/play", views_share.play, name="shared_play"),
    path("shared/<str:token>/shape", views_share.shape, name="shared_shape"),
]
