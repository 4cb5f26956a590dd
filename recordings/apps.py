from django.apps import AppConfig


class RecordingsConfig(AppConfig):
    name = "recordings"
    verbose_name = "Insight"

    def ready(self) -> None:
        from agents.services import after_publish
        from recordings import handlers, handlers_review, told
        from telephony import events

        events.on("call_opened", handlers.call_opened)
        events.on("call_over", handlers.call_over)
        events.on("egress_started", handlers.egress_changed)
        events.on("egress_updated", handlers.egress_changed)
        events.on("egress_ended", handlers.egress_changed)
        events.on("participant_left", handlers.participant_left)
        events.on("recording_stored", handlers.words_or_sound_complete)
        events.on("transcript_ready", handlers.words_or_sound_complete)
        events.on("recording_stored", handlers.recording_stored)
        events.on("transcript_ready", handlers.transcript_ready)
        events.on("recording_stored", handlers_review.recording_stored)
        after_publish(handlers.plan_published)
        told.register()
