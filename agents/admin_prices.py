"""The price book: what providers cost, from which day on. A new price is a new row."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from agents import pricebook
from agents.models import PriceEntry
from agents.pricefile import UNITS
from agents.providers import PROVIDERS, Role

_ROLES = {Role.STT: "hearing", Role.LLM: "answers", Role.TTS: "voice"}
_WORDS = {
    "input_mtok": "in",
    "cached_mtok": "cached",
    "output_mtok": "out a million tokens",
    "characters_m": "a million characters",
    "audio_min": "a minute",
}


def _label(slug: str) -> str:
    provider = PROVIDERS.get(slug)
    return f"{provider.label} · {_ROLES[provider.role]}" if provider else slug


def _standing(entry: PriceEntry) -> str:
    """What is not in force now."""
    if entry.valid_from > timezone.localdate():
        return ", coming"
    return ", past" if getattr(entry, "replaced", False) else ""


class LanguagesField(forms.CharField):
    """Tags with commas between; kept as a list."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [tag.strip() for tag in str(value or "").split(",") if tag.strip()]

    def validate(self, value: Any) -> None:
        """An empty list is a value."""


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]
    provider = forms.ChoiceField(
        choices=[(slug, _label(slug)) for slug in PROVIDERS], widget=UnfoldAdminSelectWidget
    )
    languages = LanguagesField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Tags such as “en, de”; empty: no limit known.",
    )

    class Meta:
        model = PriceEntry
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Amounts as people write them, without the places the database adds."""
        super().__init__(*args, **kwargs)
        for unit in UNITS:
            amount = self.initial.get(unit)
            if isinstance(amount, Decimal):
                self.initial[unit] = f"{amount.normalize():f}"

    def clean(self) -> dict[str, Any] | None:
        values = super().clean()
        if values is not None and all(values.get(unit) is None for unit in UNITS):
            raise forms.ValidationError("Enter at least one price; 0 if it costs nothing.")
        return values


class ProviderFilter(admin.SimpleListFilter):
    title = "provider"
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        used = PriceEntry.objects.order_by("provider").values_list("provider", flat=True)
        return [(slug, _label(slug)) for slug in used.distinct()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PriceEntry]
    ) -> QuerySet[PriceEntry]:
        return queryset.filter(provider=self.value()) if self.value() else queryset


@admin.register(PriceEntry)
class PriceEntryAdmin(ModelAdmin):  # type: ignore[misc]
    form = PriceForm
    list_display = (
        "provider_name", "role", "model_name", "price_words", "first_ms", "is_default", "since",
    )  # fmt: skip
    list_filter = (ProviderFilter, "is_default", "edited", "valid_from")
    search_fields = ("provider", "model", "source")
    ordering = ("provider", "model", "-valid_from")
    list_per_page = 100
    list_fullwidth = True
    save_as = True  # the usual way to a new price: open the old one, change it, save as new
    fieldsets = (
        (None, {
            "description": "A price which changes is a new row: change price and day, then choose "
                           "“Save as new”. Calls before that day keep the older price.",
            "fields": ("provider", ("model", "is_default"), "valid_from"),
        }),
        ("USD", {"fields": (("input_mtok", "cached_mtok", "output_mtok"),
                            ("characters_m", "audio_min"))}),
        ("About the model", {"fields": (("estimate_ms", "retires"), "languages", "source")}),
    )  # fmt: skip

    @admin.display(description="provider", ordering="provider")
    def provider_name(self, entry: PriceEntry) -> str:
        provider = PROVIDERS.get(entry.provider)
        return provider.label if provider else entry.provider

    @admin.display(description="for")
    def role(self, entry: PriceEntry) -> str:
        provider = PROVIDERS.get(entry.provider)
        return _ROLES[provider.role] if provider else ""

    @admin.display(description="ms", ordering="estimate_ms")
    def first_ms(self, entry: PriceEntry) -> str:
        return str(entry.estimate_ms or "")

    @admin.display(description="from", ordering="valid_from")
    def since(self, entry: PriceEntry) -> str:
        words = f"{entry.valid_from}{_standing(entry)}"
        return format_html('<span class="whitespace-nowrap">{}</span>', words)

    @admin.display(description="model", ordering="model")
    def model_name(self, entry: PriceEntry) -> str:
        name = entry.model or "(its only one)"
        if entry.retires is None:
            return name
        ends = f"ends on {entry.retires}"
        style = "whitespace-nowrap text-red-700 dark:text-red-400"
        return format_html('{} <span class="{}">{}</span>', name, style, ends)

    @admin.display(description="price (USD)")
    def price_words(self, entry: PriceEntry) -> str:
        given = [(getattr(entry, unit), words) for unit, words in _WORDS.items()]
        if not any(price for price, _ in given):
            return "free"
        said = ", ".join(f"{price.normalize():f} {words}" for price, words in given if price)
        return format_html('<span class="whitespace-nowrap">{}</span>', said)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceEntry]:
        later = PriceEntry.objects.filter(
            provider=OuterRef("provider"),
            model=OuterRef("model"),
            valid_from__gt=OuterRef("valid_from"),
            valid_from__lte=timezone.localdate(),
        )
        entries: QuerySet[PriceEntry] = super().get_queryset(request)
        return entries.annotate(replaced=Exists(later))

    def save_model(self, request: HttpRequest, obj: PriceEntry, form: Any, change: bool) -> None:
        obj.edited = True
        super().save_model(request, obj, form, change)
        if obj.is_default:  # of a provider's models one is usual
            others = PriceEntry.objects.filter(provider=obj.provider, is_default=True)
            others.exclude(model=obj.model).update(is_default=False)
            pricebook.forget()
