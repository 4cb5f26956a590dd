from django.apps import AppConfig


class TelephonyConfig(AppConfig):
    name = "telephony"
    verbose_name = "Telephony"

    def ready(self) -> None:
        from agents import services as agents
        from agents import targets
        from telephony import (  # noqa: F401
            carrier_hooks,
            checks,
            directory,
            events,
            handlers,
            handlers_ingress,
            outbound_ends,
        )

        self._tell_others()
        events.on("participant_joined", handlers.participant_joined)
        events.on("participant_left", handlers.participant_left)
        events.on("room_finished", handlers.room_finished)
        events.on(carrier_hooks.EVENT, handlers.carrier_call)
        events.on("call_over", outbound_ends.call_over)
        events.on("ingress_started", handlers_ingress.ingress_changed)
        events.on("ingress_ended", handlers_ingress.ingress_changed)
        events.on("call_over", handlers_ingress.call_over)
        agents.after_publish(handlers.plan_published)
        targets.offered_by(directory.targets_of)

    def _tell_others(self) -> None:
        from telephony import told

        told.register()
