"""The filters of the search page. An odd value is told beside its field, and filters nothing."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from agents.models import Project
from agents.providers import PROVIDERS
from recordings.page import WHO
from recordings.search_filters import ENDS, FAULTS
from recordings.switches import name_of
from telephony.search import LEAST

LONGEST_S = 7 * 24 * 3600
SENTIMENTS = {"positive": "Positive", "neutral": "Neutral", "negative": "Negative"}
_DAYS = ("first", "last")


def _choice(label: str, every: str, choices: Mapping[str, str]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=False, choices=[("", every), *choices.items()])


def _day(label: str) -> forms.DateField:
    return forms.DateField(
        label=label, required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )


def _seconds(label: str) -> forms.IntegerField:
    return forms.IntegerField(label=label, required=False, min_value=0, max_value=LONGEST_S)


class SearchForm(forms.Form):
    project = forms.ModelChoiceField(
        Project.objects.order_by("name"), required=False, empty_label="All projects"
    )
    number = forms.CharField(
        label="Number", required=False, max_length=64,
        widget=forms.TextInput({"placeholder": "Caller’s or called", "autocomplete": "off"}),
    )  # fmt: skip
    first = _day("From")
    last = _day("To")
    who = _choice("Said by", "Both", WHO)
    disposition = forms.CharField(label="Disposition", required=False, max_length=60)
    sentiment = _choice("Sentiment", "Any", SENTIMENTS)
    longer_s = _seconds("Lasted at least (s)")
    shorter_s = _seconds("Lasted at most (s)")
    provider = _choice("Provider", "Any", {slug: name_of(slug) for slug in PROVIDERS})
    fault = _choice("Fault", "With or without", FAULTS)
    end = _choice("End", "Any", ENDS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_valid()

    def clean_number(self) -> str:
        number: str = self.cleaned_data["number"]
        digits = sum(letter.isdigit() for letter in number)
        if number and number.strip("+0123456789 -–()./") == "" and digits < LEAST:
            raise ValidationError(f"Write at least {LEAST} digits.")
        return number

    @property
    def chosen(self) -> dict[str, Any]:
        """As `recordings.search.find` takes them. Days are both included, by our own clock."""
        found = {name: value for name, value in self.cleaned_data.items() if value is not None}
        first, last = (found.pop(name, None) for name in _DAYS)
        project = found.pop("project", None)
        if project:
            found["project"] = project.pk
        if first:
            found["since"] = _midnight(first)
        if last:
            found["until"] = _midnight(last + timedelta(days=1))
        return {name: value for name, value in found.items() if value != ""}

    def clean(self) -> dict[str, Any]:
        for name in _DAYS:
            day = self.cleaned_data.get(name)
            if day and not 1970 <= day.year < 9999:
                self.add_error(name, "Choose a day of this age.")
        return self.cleaned_data


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))
