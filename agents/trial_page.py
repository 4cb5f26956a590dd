"""What a supervisor reads about trials of an account."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from agents import trials
from agents.forms_trials import TEXTS, TrialForm, form_of
from agents.models import Project, ProviderAccount
from agents.models_trials import MOST_TEXT, ProviderTrial
from agents.providers import Role
from agents.trial_advice import advice

ASKED = {Role.STT: "Said to it", Role.LLM: "Asked", Role.TTS: "Text"}
FIRST = {Role.STT: "Understood", Role.LLM: "First word", Role.TTS: "First sound"}
RESULTS = {Role.STT: "It heard", Role.LLM: "Answered", Role.TTS: ""}
NOTHING = "Nothing, although it did not fail."


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    trial: ProviderTrial
    state: str  # open, well or bad
    words: str  # how it stands
    result: str = ""  # “Understood” or “Answered”, and what
    what: str = ""
    advice: str = ""
    sound_url: str = ""

    @property
    def asked(self) -> str:
        return ASKED[Role(self.trial.role)]

    @property
    def with_what(self) -> str:
        """Model, voice and language, as far as there are any."""
        language = self.trial.language if self.trial.role == Role.TTS else ""
        parts = dict.fromkeys((self.trial.model, self.trial.voice, language))
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class TryIt:
    form: TrialForm | None
    hindrance: str
    url: str
    rows: list[Row]

    @property
    def explanation(self) -> str:
        return TEXTS[self.form.provider.role][2] if self.form else ""

    @property
    def is_paid(self) -> bool:
        return self.form is not None and not self.form.provider.local

    @property
    def is_voice(self) -> bool:
        return self.form is not None and self.form.provider.role is Role.TTS

    @property
    def button(self) -> str:
        return "Hear it" if self.is_voice else "Try it"


def try_it(account: ProviderAccount, wanted: Mapping[str, str], now: datetime) -> TryIt:
    """`wanted`: what the address of the page asks for."""
    hindrance = trials.hindrance(account)
    form = None if hindrance else form_of(account)
    if form:
        form.begin_with(wanted)
    url = reverse("admin:agents_trials", args=[account.pk])
    return TryIt(form=form, hindrance=hindrance, url=url, rows=rows(account, now))


def rows(account: ProviderAccount, now: datetime) -> list[Row]:
    found = trials.latest(account_id=account.pk, now=now)
    return [_row(account, trial) for trial in found]


def _row(account: ProviderAccount, trial: ProviderTrial) -> Row:
    if trial.state == ProviderTrial.State.PENDING:
        return Row(trial=trial, state="open", words="Waiting for a worker")
    if trial.state == ProviderTrial.State.RUNNING:
        return Row(trial=trial, state="open", words="A worker is trying")
    if not trial.ok:
        words = f"Failed after {trial.ms} ms" if trial.ms else "Failed"
        return Row(trial=trial, state="bad", words=words, advice=advice(trial.error, account))
    role = Role(trial.role)
    return Row(
        trial=trial, state="well", words=f"{FIRST[role]} after {trial.ms} ms",
        result=RESULTS[role], what=trial.answer or NOTHING, sound_url=_sound_url(trial),
    )  # fmt: skip


def _sound_url(trial: ProviderTrial) -> str:
    if trial.role != Role.TTS:
        return ""
    return reverse("admin:agents_trial_sound", args=[trial.account_id, trial.pk])


def hear_url(account_id: int, *, project: Project | None, voice: str = "", model: str = "") -> str:
    """The account's page, ready to say a project's greeting."""
    wanted = {"voice": voice, "model": model}
    if project:
        wanted |= {"language": project.language, "text": project.greeting[:MOST_TEXT]}
    query = urlencode({name: value for name, value in wanted.items() if value})
    change = reverse("admin:agents_provideraccount_change", args=[account_id])
    return f"{change}?{query}#try-it"
