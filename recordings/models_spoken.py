"""What was said, one row a turn, for searching. Derived from transcripts and journals."""

from django.db import models

from agents.models import Project
from telephony.models import Call

# Where the index is, migration 0004: on PostgreSQL in the generated column `terms` (GIN), on SQLite
# in the FTS5 table `recordings_spoken_fts`, which triggers of this table keep. SQLite drops
# triggers when a later migration makes this table anew; that one has to make them again.


class SpokenTurn(models.Model):
    """One turn of a call. Nothing is known only here: `recordings.spoken` writes it anew."""

    call = models.ForeignKey(Call, models.CASCADE, related_name="spoken", db_index=False)
    n = models.PositiveIntegerField(help_text="Place among the transcript's segments, from 0.")
    who = models.CharField(max_length=8)
    text = models.TextField()
    words = models.TextField(help_text="As the index knows them: recordings/words.py.")
    start_ms = models.IntegerField()
    end_ms = models.IntegerField()
    via = models.CharField(max_length=16, blank=True)
    interrupted = models.BooleanField(default=False)
    confidence = models.FloatField(null=True, blank=True)
    provider = models.CharField(
        max_length=32, blank=True, help_text="Who wrote it down (caller) or thought of it (bot)."
    )
    # of the call, so that what was found is put in order and narrowed without it
    started_at = models.DateTimeField()
    project = models.ForeignKey(
        Project, models.SET_NULL, null=True, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = "conversation"
        verbose_name_plural = "search in conversations"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["call", "n"], name="spoken_turn_once")]

    def __str__(self) -> str:
        return f"Turn {self.n} of call {self.call_id}"
