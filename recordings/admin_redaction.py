"""What projects want taken out of words and sound, a place to try it, and the work on sound."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.validators import validate_email
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from agents.look_only import LookOnly
from recordings import blind, masking, redaction, tasks
from recordings.finders import Rules
from recordings.models import AudioMask, RedactionRules
from telephony import shapes
from telephony.later import after_commit

LONGEST_TRIED = 5000
EXAMPLE = (
    "My card is four one one one, 1111 1111 one one one one, security code one two three. "
    "Mail me at jane dot smith at example dot com, or call +1 202 555 0123. My order number is "
    "1234567890."
)
KIND_WORDS = {
    "card": "Card number", "code": "Security code", "iban": "IBAN", "id": "Other number",
    "phone": "Telephone number", "email": "E-mail", "birth": "Date of birth", "name": "Name",
}  # fmt: skip
MASK_COLOURS = {
    AudioMask.State.DONE: "success",
    AudioMask.State.FAILED: "danger",
    AudioMask.State.WORKING: "info",
    AudioMask.State.SWITCHED: "info",
    AudioMask.State.WAITING: "",
    AudioMask.State.NOTHING: "",
}


class RedactionForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = RedactionRules
        fields = "__all__"
        widgets = {
            name: UnfoldAdminTextareaWidget(attrs={"rows": 4})
            for name in ("allowed", "name_list", "id_patterns")
        }

    def clean_region(self) -> str:
        return str(self.cleaned_data["region"]).upper()

    def clean_allowed(self) -> str:
        try:
            lines = map(str.strip, self.cleaned_data["allowed"].splitlines())
            return "\n".join(_allowed(line) for line in lines if line)
        except shapes.Misshapen as wrong:
            raise forms.ValidationError(str(wrong)) from wrong


def _allowed(line: str) -> str:
    if "@" not in line:
        return shapes.e164(line)
    validate_email(line)
    return line.lower()


@admin.register(RedactionRules)
class RedactionRulesAdmin(ModelAdmin):  # type: ignore[misc]
    form = RedactionForm
    list_display = ("project", "taken_out", "mask_audio")
    list_select_related = ("project",)
    list_before_template = "recordings/redaction_before.html"
    actions_detail = ("try_out",)
    actions_list = ("try_usual",)
    fieldsets = (
        (None, {
            "description": "Card numbers and their security codes are taken out of every call of "
                           "every project, before anything is stored. What else goes:",
            "fields": ("project", ("phones", "emails", "ibans"), ("births", "names")),
        }),
        ("More exactly", {"fields": ("region", "allowed", "name_list", "id_patterns")}),
        ("Sound", {"fields": ("mask_audio",)}),
    )  # fmt: skip

    @admin.display(description="taken out")
    def taken_out(self, own: RedactionRules) -> str:
        chosen = blind.rules_from(own).kinds | redaction.ALWAYS
        return ", ".join(words for kind, words in KIND_WORDS.items() if kind in chosen)

    @action(  # type: ignore[untyped-decorator]
        description="Try it out", url_path="try", icon="experiment", permissions=["view"]
    )
    def try_out(self, request: HttpRequest, object_id: int) -> HttpResponse:
        own = get_object_or_404(RedactionRules.objects.select_related("project"), pk=object_id)
        return self._tried(request, blind.rules_from(own), f"Redaction of “{own.project.name}”")

    @action(  # type: ignore[untyped-decorator]
        description="Try it out", url_path="try-usual", icon="experiment", permissions=["view"]
    )
    def try_usual(self, request: HttpRequest) -> HttpResponse:
        """Without rules of a project."""
        return self._tried(request, redaction.CARDS_ONLY, "Redaction without rules of a project")

    def _tried(self, request: HttpRequest, rules: Rules, title: str) -> HttpResponse:
        """The text is posted, so that it stands in no log of addresses, and kept nowhere."""
        if request.method not in {"GET", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = request.POST.get("text", "")[:LONGEST_TRIED] if request.method == "POST" else EXAMPLE
        context = self.admin_site.each_context(request) | {
            "title": title,
            "opts": self.opts,
            "text": text,
            "longest": LONGEST_TRIED,
            "parts": list(_parts(text, rules)),
            "found": _found(text, rules),
        }
        return TemplateResponse(request, "recordings/redaction_try.html", context)


def _parts(text: str, rules: Rules) -> Iterator[tuple[str, str]]:
    """The stored text in pieces, each with the words of its kind if it is a mask."""
    at = 0
    for hit in redaction.find(text, rules):
        yield text[at : hit.start], ""
        yield redaction.MASKS[hit.kind], KIND_WORDS[hit.kind]
        at = hit.end
    yield text[at:], ""


def _found(text: str, rules: Rules) -> list[tuple[str, int]]:
    counts = redaction.redacted(text, rules).counts
    return [(words, counts[kind]) for kind, words in KIND_WORDS.items() if kind in counts]


@admin.register(AudioMask)
class AudioMaskAdmin(LookOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("call_of", "state_shown", "attempts", "done_at", "error")
    list_filter = ("state",)
    list_select_related = ("recording__call",)
    list_before_template = "recordings/audio_mask_before.html"
    ordering = ("-pk",)
    show_full_result_count = False
    actions = ("mask_again",)

    @admin.display(description="call")
    def call_of(self, row: AudioMask) -> str:
        call = row.recording.call
        return f"{shapes.readable(call.caller) or 'withheld'}, {call.started_at:%Y-%m-%d %H:%M}"

    @display(description="state", label=MASK_COLOURS)  # type: ignore[untyped-decorator]
    def state_shown(self, row: AudioMask) -> tuple[str, str]:
        return row.state, row.get_state_display()

    @admin.action(description="Mask again what failed", permissions=["change_rules"])
    def mask_again(self, request: HttpRequest, chosen: QuerySet[AudioMask]) -> None:
        ids = list(chosen.values_list("recording", flat=True))
        again = masking.try_again(recording_ids=ids)
        for recording_id in ids:
            after_commit(tasks.mask_recording.delay, recording_id=recording_id)
        self.message_user(request, f"{again} recording(s) queued.", messages.INFO)

    def has_change_rules_permission(self, request: HttpRequest, *_: Any) -> bool:
        allowed: bool = request.user.has_perm("recordings.change_redactionrules")
        return allowed
