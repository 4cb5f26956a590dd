"""Texts with places, of numbers' greetings and of calls we make."""

import pytest

from agents import entrance
from agents.order import Order

pytestmark = pytest.mark.unit


def order(**variables: str) -> Order:
    return Order(
        id=1, to="+12025550123", trunk="ST_1", caller_id="", identity="x", variables=variables
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello {Name}, {amount} are due.", "Hello Ann, 12.50 € are due."),
        ("Hello {customer_name|dear caller}.", "Hello dear caller."),
        ("Hello {customer_name}, good morning.", "Hello, good morning."),
        ("At {at|noon}?", "At {amount}?"),
        ("No  places {here now}", "No  places {here now}"),
    ],
)
def test_a_call_we_make_says_what_it_was_given(text, said):
    """Also the plan's greeting, which is written for callers and has places with defaults."""
    assert order(Name="Ann", amount="12.50 €", at="{amount}").fill(text) == said


def test_what_systems_say_of_a_caller_is_not_said_unless_a_voice_can():
    assert entrance.filled("{amount|something}", {"amount": "12.50 €"}) == "something"
