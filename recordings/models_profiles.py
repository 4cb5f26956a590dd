"""Where recordings go, and how LiveKit's egress makes them. Without a row all is as it comes."""

from django.core.exceptions import ValidationError
from django.db import models

from agents.models import Project
from recordings import layout
from recordings.choices import Choice, Format, Kind


def check_layout(template: str) -> None:
    if fault := layout.fault(template):
        raise ValidationError(fault)


class Store(models.Model):
    """An S3 bucket besides the one of the environment (S3_…), which needs no row."""

    class Encryption(models.TextChoices):
        NONE = "", "As the bucket does by itself"
        AES256 = "AES256", "The store's own key (AES256)"
        KMS = "aws:kms", "A key of a key service (KMS)"

    name = models.CharField(max_length=80, unique=True)
    endpoint = models.CharField(
        max_length=200,
        blank=True,
        help_text="As our own servers reach it: https://s3.eu-central-1.wasabisys.com. "
        "Empty: S3 of AWS in the region below.",
    )
    public_endpoint = models.CharField(
        "public endpoint",
        max_length=200,
        blank=True,
        help_text="As browsers and workers reach it. Empty: the same.",
    )
    region = models.CharField(
        max_length=40, default="us-east-1", help_text="MinIO takes any: leave it as it is."
    )
    bucket = models.CharField(max_length=63)
    path_style = models.BooleanField(
        "bucket in the path",
        default=True,
        help_text="https://host/bucket/… as MinIO wants it. No: https://bucket.host/… as AWS does.",
    )
    access_key = models.CharField(max_length=128)
    sealed_secret = models.TextField(blank=True, editable=False)
    role_arn = models.CharField(
        "role to assume",
        max_length=200,
        blank=True,
        help_text="ARN. The key above then only serves to take this role (STS).",
    )
    encryption = models.CharField(
        max_length=8, choices=Encryption.choices, blank=True, default=Encryption.NONE
    )
    kms_key = models.CharField(
        "KMS key", max_length=200, blank=True, help_text="Id or ARN. Empty: the account's default."
    )
    layout = models.CharField(
        "names in the bucket",
        max_length=layout.LONGEST,
        default=layout.DEFAULT,
        validators=[check_layout],
        help_text="{call} is needed; besides there are {project}, {yyyy}, {mm}, {dd}, {hh}. The "
        "ending is added.",
    )
    tried_at = models.DateTimeField("last tried", null=True, blank=True, editable=False)
    trial = models.TextField("what it said", blank=True, editable=False)
    trial_ok = models.BooleanField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="store_kms_key_needs_kms",
                condition=models.Q(kms_key="") | models.Q(encryption="aws:kms"),
            )
        ]

    def __str__(self) -> str:
        return self.name


class RecordingProfile(models.Model):
    """How LiveKit's egress records the calls of some projects."""

    class Kinds(models.TextChoices):
        ROOM = Kind.ROOM.value, "Whole room"
        TRACK_COMPOSITE = Kind.TRACK_COMPOSITE.value, "Track composite: the caller's tracks"
        TRACK = Kind.TRACK.value, "Track: the caller's sound as it comes"
        PARTICIPANT = Kind.PARTICIPANT.value, "Participant: the caller, with a picture"

    class Formats(models.TextChoices):
        OGG = Format.OGG.value, "OGG (Opus)"
        MP3 = Format.MP3.value, "MP3"
        MP4 = Format.MP4.value, "MP4"
        HLS = Format.HLS.value, "HLS (pieces and a list)"

    class Channels(models.TextChoices):
        TWO = "two", "Two: caller left, agent right"
        MIXED = "mixed", "Mixed"

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=16, choices=Kinds.choices, default=Kinds.ROOM)
    video = models.BooleanField("with video", default=False)
    channels = models.CharField(max_length=5, choices=Channels.choices, default=Channels.TWO)
    format = models.CharField(max_length=4, choices=Formats.choices, default=Formats.OGG)
    store = models.ForeignKey(
        Store,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="profiles",
        help_text="Empty: the store of the environment (S3_…).",
    )
    # addresses of live streams end in a key: kept as one sealed text, one address a line
    sealed_rtmp = models.TextField(blank=True, editable=False)
    sealed_websocket = models.TextField(blank=True, editable=False)
    # which hosts these are, to be shown
    live_hosts = models.CharField("live to", max_length=400, blank=True, editable=False)

    class Meta:
        verbose_name = "recording profile"

    def __str__(self) -> str:
        return self.name

    def choice(self) -> Choice:
        return Choice(
            kind=Kind(self.kind),
            video=self.video,
            two_channels=self.channels == self.Channels.TWO,
            format=Format(self.format),
            rtmp=bool(self.sealed_rtmp),
            websocket=bool(self.sealed_websocket),
        )


class ProfileUse(models.Model):
    """A project has one profile at most."""

    project = models.OneToOneField(Project, models.CASCADE, related_name="recording_use")
    profile = models.ForeignKey(RecordingProfile, models.CASCADE, related_name="uses")

    class Meta:
        verbose_name = "project"
        verbose_name_plural = "projects it is used for"

    def __str__(self) -> str:
        return str(self.project)
