from django.apps import AppConfig


class TelephonyConfig(AppConfig):
    name = "telephony"
    verbose_name = "Telephony"

    def ready(self) -> None:
        from agents import services as agents
        from telephony import checks, events, handlers, outbound_ends  # noqa: F401

        events.on("participant_joined", handlers.participant_joined)
        events.on("participant_left", handlers.participant_left)
        events.on("room_finished", handlers.room_finished)
        events.on("call_over", outbound_ends.call_over)
        agents.after_publish(handlers.plan_published)
