"""Whether and how a caller is asked before a call is recorded, and what his answer means. Pure."""

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

Mode = Literal["none", "announcement", "question"]
OUTCOMES = {
    "announced": "The caller was told that the call is recorded.",
    "given": "The caller agreed to be recorded.",
    "refused": "The caller refused.",
    "unanswered": "The caller did not answer the question.",
}
GOOD = frozenset({"announced", "given"})  # only after one of these anything is recorded
YES_KEY, NO_KEY = "1", "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    mode: Mode = "none"
    words: str = ""  # the announcement or the question
    refused: str = ""  # spoken after a no, and when no answer came
    wait_s: int = 8  # for an answer, after the question

    @property
    def wording(self) -> str:
        """Names the words: kept with each answer, so that it is known what was asked."""
        return wording_of(self.words)

    def texts(self) -> tuple[str, ...]:
        if self.mode == "none":
            return ()
        return (self.words, self.refused) if self.mode == "question" else (self.words,)


def wording_of(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()[:12]


# a no outweighs a yes: “yes, but do not record me” is one
_WORDS: dict[str, tuple[str, str]] = {
    "en": (
        "yes yeah yep yup sure ok okay fine agreed agree correct",
        "no nope nah not don't dont never refuse disagree stop",
    ),
    "de": ("ja jawohl klar gerne okay ok einverstanden", "nein nee nö nicht kein keine niemals"),
    "fr": ("oui ouais d'accord ok okay volontiers", "non pas jamais refuse"),
    "es": ("sí si claro vale ok okay acepto acuerdo", "no nunca tampoco rechazo"),
    "it": ("sì si certo ok okay va accordo accetto", "no non mai rifiuto"),
    "pt": ("sim claro ok okay aceito concordo", "não nao nunca recuso"),
    "nl": ("ja jawel prima oké ok okay akkoord", "nee neen niet geen nooit"),
    "pl": ("tak jasne dobrze ok okay zgadzam", "nie nigdy"),
    "tr": ("evet tamam olur kabul", "hayır yok istemiyorum"),
    "ar": ("نعم أجل موافق حسنا", "لا كلا لست"),
}


def answer_in(text: str, language: str) -> bool | None:
    """What these words say to the question; None if they say neither."""
    yes, no = _WORDS.get(language.partition("-")[0].lower(), _WORDS["en"])
    said = set(re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.casefold().replace("’", "'")))
    if said & set(no.split()):
        return False
    return True if said & set(yes.split()) else None
