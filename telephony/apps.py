from django.apps import AppConfig


class TelephonyConfig(AppConfig):
    name = "telephony"
    verbose_name = "Telephony"

    def ready(self) -> None:
        from agents import services as agents
        from telephony import checks, events, handlers  # noqa: F401

        self._tell_others()
        events.on("participant_joined", handlers.participant_joined)
        events.on("participant_left", handlers.participant_left)
        events.on("room_finished", handlers.room_finished)
        agents.after_publish(handlers.plan_published)

    def _tell_others(self) -> None:
        from telephony import told

        told.register()
