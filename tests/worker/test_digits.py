"""Collecting digits, by a scripted clock."""

import pytest

from agents.menus import Purpose
from agents.worker.digits import Ask, Collector, Done

pytestmark = pytest.mark.unit

ASK = "Your order number, please."
BACK = "You entered {digits}, right?"
ORDER = Purpose(key="order", ask=ASK, least=3, most=6, gap_s=4, total_s=20)


class Scene:
    def __init__(self, purpose=ORDER):
        self.now = 50.0
        self.digits = Collector(purpose)
        assert self.digits.begin(self.now) == Ask(purpose.ask)

    def press(self, keys, *, each_s=0.3):
        result = None
        for key in keys:
            self.now += each_s
            result = self.digits.press(key, self.now)
        return result

    def after(self, seconds, *, busy=False):
        results = []
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            results.append(self.digits.tick(self.now, busy=busy))
        return [result for result in results if result]


def test_hash_ends():
    assert Scene().press("1234#") == Done("1234")


def test_the_last_possible_digit_ends():
    assert Scene().press("123456") == Done("123456")


def test_star_begins_again_and_letters_are_nothing():
    assert Scene().press("99*1A2B3#") == Done("123")


def test_a_pause_after_enough_digits_ends():
    scene = Scene()
    scene.press("1234")
    assert scene.after(3.8) == []
    assert scene.after(0.4) == [Done("1234")]


def test_slow_keys_are_waited_for_but_not_for_ever():
    scene = Scene()
    assert scene.press("12", each_s=3.5) is None
    scene = Scene(Purpose(key="slow", ask=ASK, least=3, most=20, gap_s=4, total_s=10))
    scene.press("1234", each_s=3)
    assert scene.after(0.2) == [Done("1234")]  # in all it took too long


def test_too_few_digits_are_asked_for_again_and_three_times_at_most():
    scene = Scene()
    assert scene.press("12#") == Ask(ASK)
    assert scene.press("#") == Ask(ASK)
    assert scene.press("1#") == Done("")
    assert scene.after(60) == []


def test_whoever_enters_nothing_is_asked_three_times():
    scene = Scene()
    assert scene.after(30, busy=True) == []  # the question is still being said
    assert scene.after(62) == [Ask(ASK), Ask(ASK), Done("")]


def test_read_back_and_agreed():
    scene = Scene(Purpose(key="o", ask=ASK, least=2, most=4, confirm=BACK))
    assert scene.press("42#") == Ask("You entered 4 2, right?")
    assert scene.press("7") is None
    assert scene.press("1") == Done("42")


def test_read_back_and_entered_again():
    scene = Scene(Purpose(key="o", ask=ASK, least=2, most=4, confirm=BACK))
    scene.press("42#")
    assert scene.press("2") == Ask(ASK)
    scene.press("43#")
    assert scene.press("#") == Done("43")


def test_a_secret_is_never_read_back_and_not_in_a_repr():
    scene = Scene(Purpose(key="pin", ask=ASK, least=4, most=4, secret=True, confirm=BACK))
    done = scene.press("4711")
    assert done == Done("4711")
    assert "4711" not in repr(done)
