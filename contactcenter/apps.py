from django.apps import AppConfig


class ContactCenterConfig(AppConfig):
    name = "contactcenter"
    verbose_name = "Contact centre"

    def ready(self) -> None:
        # the app must exist before anybody queues a task, in the web process as well
        from contactcenter import celery, checks  # noqa: F401
