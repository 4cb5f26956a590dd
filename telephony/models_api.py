"""Who may use the API, and what it has answered to requests which may be repeated."""

from datetime import datetime

from django.db import models

from telephony.scopes import SCOPES as SCOPES

ANSWERS_KEPT_H = 24


class ApiKey(models.Model):
    """A key of a program. Of its secret we keep the SHA-256 only."""

    name = models.CharField(max_length=80, unique=True, help_text="Which program uses it.")
    prefix = models.CharField("begins with", max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False, help_text="SHA-256 of the whole key.")
    scopes = models.JSONField("may", default=list)
    expires_at = models.DateTimeField("valid until", null=True, blank=True)
    allowed_networks = models.JSONField("allowed from", default=list, blank=True)
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: API_REQUESTS_PER_MINUTE decides."
    )
    enabled = models.BooleanField(default=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    last_used_at = models.DateTimeField("last used", null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return self.name

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


class IdempotentAnswer(models.Model):
    """What a request with an Idempotency-Key was answered; the same request gets it again."""

    api_key = models.ForeignKey(ApiKey, models.CASCADE, related_name="answers")
    idempotency_key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    sealed_answer = models.TextField(help_text="Sealed: it may hold a secret which is shown once.")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["api_key", "idempotency_key"], name="idempotency_key_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.api_key_id} {self.idempotency_key}"
