"""What is taken out of words before they are stored."""

import pytest

from recordings.redaction import MASK, redact

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("4111111111111111", MASK),
        ("It is 4111 1111 1111 1111.", f"It is {MASK}."),
        ("4111-1111-1111-1111", MASK),
        ("4111.1111.1111.1111", MASK),
        ("378282246310005", MASK),  # 15 digits
        ("3782 822463 10005", MASK),
        ("4222222222222", MASK),  # 13 digits
        ("6011000990139424 or 5555555555554444", f"{MASK} or {MASK}"),
        ("4111111111111112", "4111111111111112"),  # no valid check digit
        ("41111111111111111111111", "41111111111111111111111"),  # longer than any card
        ("Call +12025550123, please", "Call +12025550123, please"),
        ("Order 2026 on 21 11 2026", "Order 2026 on 21 11 2026"),
        ("From nine to six", "From nine to six"),
        ("", ""),
    ],
)
def test_payment_card_numbers_are_masked_and_nothing_else(said, stored):
    assert redact(said) == stored


def test_redacting_twice_changes_nothing_more():
    once = redact("4111 1111 1111 1111")
    assert redact(once) == once
