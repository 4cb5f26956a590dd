"""Fills in an admin form as a browser would: with what the page shows."""

from collections.abc import Iterator
from typing import Any

from django.forms import BaseForm, NullBooleanField


def shown(page) -> dict[str, Any]:
    """Every field of a change page, the inline ones too, with its value."""
    found = dict(_values(page.context["adminform"].form))
    for inline in page.context["inline_admin_formsets"]:
        found |= dict(_values(inline.formset.management_form))
        for form in inline.formset.forms:
            found |= dict(_values(form))
    return found


def _values(form: BaseForm) -> Iterator[tuple[str, Any]]:
    for field in form:
        value = field.value()
        if isinstance(field.field, NullBooleanField):
            yield field.html_name, {True: "true", False: "false"}.get(value, "unknown")
        elif value is True:
            yield field.html_name, "on"
        elif value is not None and value is not False:
            yield field.html_name, getattr(value, "pk", value)


def new_row(page, prefix: str, **values: Any) -> dict[str, Any]:
    """One more row in an inline form."""
    data = shown(page)
    number = int(data[f"{prefix}-TOTAL_FORMS"])
    row = {f"{prefix}-{number}-{name}": value for name, value in values.items()}
    return data | row | {f"{prefix}-TOTAL_FORMS": number + 1}
