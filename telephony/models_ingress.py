"""Sound and pictures from outside into a room: announcements, hold music, a video source."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from telephony.models import NO_RULE_PREFIX, ROOM_PREFIX, UNKNOWN_PREFIX, Call, Synced

IDENTITY_PREFIX = "ingress_"
_TAKEN = (ROOM_PREFIX, UNKNOWN_PREFIX, NO_RULE_PREFIX)


def check_room(name: str) -> None:
    """A standing room must never be taken for a call's."""
    if any(name == prefix or name.startswith(f"{prefix}_") for prefix in _TAKEN):
        raise ValidationError(f"Rooms called “{name}” belong to calls. Choose another name.")


class Ingress(Synced):
    """One source. RTMP and WHIP wait for somebody who sends; a URL is fetched and played once."""

    class Kind(models.TextChoices):
        RTMP = "rtmp", "RTMP (somebody sends)"
        WHIP = "whip", "WHIP (somebody sends)"
        URL = "url", "URL (we fetch)"

    class Purpose(models.TextChoices):
        ANNOUNCEMENT = "announcement", "Announcement"
        HOLD_MUSIC = "hold_music", "Hold music"
        VIDEO = "video", "Video source"

    class State(models.TextChoices):
        INACTIVE = "inactive", "Nothing comes"
        BUFFERING = "buffering", "Starting"
        PUBLISHING = "publishing", "Playing"
        ERROR = "error", "Failed"
        COMPLETE = "complete", "Played to the end"

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField("comes by", max_length=4, choices=Kind.choices)
    purpose = models.CharField("what for", max_length=12, choices=Purpose.choices)
    source_url = models.CharField(
        "address of the source",
        max_length=500,
        blank=True,
        help_text="For URL only: an audio or video file or HLS stream, by http or https.",
    )
    call = models.ForeignKey(
        Call,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="ingresses",
        help_text="Into this call. It is stopped when the call ends.",
    )
    room = models.CharField(
        max_length=128,
        blank=True,
        validators=[check_room],
        help_text="Or into a standing room of this name.",
    )
    enabled = models.BooleanField(default=True)
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.INACTIVE, editable=False
    )
    state_error = models.TextField("trouble", blank=True, editable=False)
    # LiveKit's clock in ns: hooks and listings may come in any order
    state_ns = models.BigIntegerField(default=0, editable=False)
    address = models.CharField("send to", max_length=255, blank=True, editable=False)
    sealed_stream_key = models.TextField(blank=True, editable=False)
    key_shown_at = models.DateTimeField("key shown", null=True, blank=True, editable=False)
    tried_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "ingress"
        verbose_name_plural = "ingress"
        constraints = [
            models.CheckConstraint(
                name="ingress_url_has_a_source", condition=~Q(kind="url") | ~Q(source_url="")
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def identity(self) -> str:
        return f"{IDENTITY_PREFIX}{self.pk}"

    @property
    def target(self) -> str:
        return self.call.room if self.call else self.room
