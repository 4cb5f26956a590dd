"""A card taken by keys, by a scripted clock; and what a card is."""

from datetime import date

import pytest

from agents.card import CardWords, brand_of, digits_of, is_expiry, is_whole, passes_luhn
from agents.menus import Purpose, purpose_problems
from agents.worker.card_steps import CardSteps, Ready
from agents.worker.digits import Ask, Done

pytestmark = pytest.mark.unit

VISA, AMEX = "4111111111111111", "378282246310005"
ASK, EXPIRY, CODE, WRONG = "Number?", "Expiry?", "Code?", "That is not right."
WORDS = CardWords(expiry=EXPIRY, code=CODE, wrong=WRONG)
PAY = Purpose(key="pay", ask=ASK, card=True, gap_s=4, total_s=30)


class Scene:
    def __init__(self):
        self.now = 10.0
        self.steps = CardSteps(PAY, WORDS, today=date(2026, 11, 25))
        assert self.steps.press("4", self.now) is None  # nobody was asked yet
        assert self.steps.begin(self.now) == Ask(ASK)

    def press(self, keys):
        results = []
        for key in keys:
            self.now += 0.3
            results.append(self.steps.press(key, self.now))
        return [result for result in results if result]

    def after(self, seconds):
        results = []
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            results.append(self.steps.tick(self.now, busy=False))
        return [result for result in results if result]


@pytest.mark.parametrize(("number", "code"), [(VISA, "737"), (AMEX, "7373")])
def test_a_card_is_asked_for_in_three_steps_and_no_hash_is_needed(number, code):
    scene = Scene()
    assert scene.press(number) == [Ask(EXPIRY)]
    assert scene.press("1230") == [Ask(CODE)]
    assert scene.press(code) == [Ready()]
    card = scene.steps.card
    held = [bytes(part).decode() for part in (card.number, card.expiry, card.code)]
    assert held == [number, "1230", code]
    assert number not in repr(card)


def test_what_is_no_card_is_asked_for_again_three_times_in_all():
    scene = Scene()
    assert scene.press("4111111111111112#") == [Ask(ASK, WRONG)]
    assert scene.press("12#") == [Ask(ASK, WRONG)]
    assert scene.press("#") == [Done("")]
    assert scene.press(VISA) == []


def test_a_card_which_has_expired_is_not_taken():
    scene = Scene()
    scene.press(VISA)
    assert scene.press("1026") == [Ask(EXPIRY, WRONG)]
    assert scene.press("1330") == [Ask(EXPIRY, WRONG)]
    assert scene.press("1126") == [Ask(CODE)]


def test_star_begins_the_step_again_and_silence_ends_it():
    scene = Scene()
    scene.press("99999*")
    assert scene.press(VISA) == [Ask(EXPIRY)]
    assert scene.after(29) == []
    assert scene.after(2) == [Ask(EXPIRY, WRONG)]


def test_nothing_is_left_after_wiping():
    scene = Scene()
    scene.press(VISA + "1230" + "737")
    buffers = [scene.steps.card.number, scene.steps.card.expiry, scene.steps.card.code]
    look = memoryview(buffers[0])  # somebody still sends it
    scene.steps.wipe()
    assert bytes(look) == bytes(16)
    assert [len(each) for each in buffers[1:]] == [0, 0]


@pytest.mark.parametrize(
    ("number", "brand"),
    [
        (VISA, "visa"), (AMEX, "american express"), ("5555555555554444", "mastercard"),
        ("2223003122003222", "mastercard"), ("6011111111111117", "discover"),
        ("3530111333300000", "jcb"), ("30569309025904", ""),
    ],
)  # fmt: skip
def test_real_test_numbers_are_cards(number, brand):
    assert passes_luhn(digits_of(number.encode()))
    assert brand_of(number.encode()) == brand
    assert is_whole(number.encode()) == bool(brand)


@pytest.mark.parametrize("number", ["4111111111111112", "411111", "0" * 16, "4" * 20])
def test_what_is_no_number_of_a_card(number):
    assert not passes_luhn(digits_of(number.encode()))


def test_an_expiry_far_ahead_is_a_slip():
    assert is_expiry(b"1126", year=2026, month=11)
    assert not is_expiry(b"1199", year=2026, month=11)
    assert not is_expiry(b"0030", year=2026, month=11)


def test_a_card_is_never_read_back():
    assert list(purpose_problems(Purpose(key="pay", ask="?", card=True, confirm="{digits}")))
