"""What carriers want differently: encryption, codecs, headers. Fields of a trunk."""

from django.db import models


class MediaSettings(models.Model):
    """A part of Trunk. Everything here is pushed to LiveKit, but for the template's name."""

    class Encryption(models.TextChoices):
        DISABLE = "disable", "Off (RTP)"
        ALLOW = "allow", "Allowed (SRTP if the carrier offers it)"
        REQUIRE = "require", "Required (SRTP)"

    class Headers(models.TextChoices):
        NONE = "none", "None"
        X = "x", "Those which begin with X-"
        ALL = "all", "All"

    template = models.CharField(
        "carrier", max_length=32, blank=True, help_text="The template it was made from."
    )
    media_encryption = models.CharField(
        max_length=8,
        choices=Encryption.choices,
        default=Encryption.DISABLE,
        help_text="Of the audio. Of the signalling: transport TLS.",
    )
    codecs = models.JSONField(
        default=list, blank=True, help_text="None chosen: whatever the carrier offers."
    )
    include_headers = models.CharField(
        max_length=4,
        choices=Headers.choices,
        default=Headers.NONE,
        help_text="SIP headers of the carrier kept with a call.",
    )
    header_attributes = models.JSONField(
        "headers → attributes",
        default=dict,
        blank=True,
        help_text='Headers kept under a name of yours, as {"X-Account": "account"}.',
    )
    from_host = models.CharField(
        max_length=255, blank=True, help_text="Outbound: the host in From, if the carrier asks."
    )
    destination_country = models.CharField(
        max_length=2, blank=True, help_text="Outbound: where most calls go, as DE."
    )

    class Meta:
        abstract = True
