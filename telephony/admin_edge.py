"""How a trunk's registration at its carrier stands, in the list and on the trunk's page."""

from django.template.defaultfilters import date
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from telephony.models import RegistrationState, Trunk


class ShowsRegistration:
    """A part of the trunks' admin."""

    @display(description="registration", ordering="registration_state")  # type: ignore[untyped-decorator]
    def registration(self, trunk: Trunk) -> str:
        if not trunk.registers:
            return "–"
        text = in_words(trunk)
        colour = "" if trunk.registration_state in GOOD else "text-red-600 dark:text-red-400"
        return format_html('<span class="{}">{}</span>', colour, text)


GOOD = {RegistrationState.REGISTERED, RegistrationState.WAITING, ""}


def in_words(trunk: Trunk) -> str:
    """“Registered until 10:15”, or what stands in its way."""
    until = trunk.registered_until
    if trunk.registration_state == RegistrationState.REGISTERED and until:
        here = timezone.localtime(until)
        form = "H:i" if here.date() == timezone.localdate() else "Y-m-d H:i"
        return f"Registered until {date(here, form)}"
    if trunk.registration_state == RegistrationState.WAITING:
        return "Registering …"
    if not trunk.registration_state:
        return "Off" if not trunk.enabled else "Not yet"
    return trunk.registration_text
