"""A caller's way through a menu: keys, silence and words, by a scripted clock."""

import pytest

from agents.menus import Menu, Option, Page
from agents.plan import Faq
from agents.worker.menu import Walk

pytestmark = pytest.mark.unit

START = Page(
    name="start", announcement="For hours press 1, for service press 2.", timeout_s=5, repeats=1,
    then="end",
    options=(
        Option(digit="1", does="answer", says="We open at nine.", names=("opening hours",)),
        Option(digit="2", does="menu", menu="service", names=("repairs", "the service")),
        Option(digit="3", does="faq", question="Where are you?"),
        Option(digit="4", does="collect", purpose="order", menu="service"),
        Option(digit="5", does="bot", says="Just ask."),
        Option(digit="9", does="end", says="Bye."),
    ),
)  # fmt: skip
SERVICE = Page(
    name="service", announcement="This is the service.", timeout_s=5, repeats=0, then="person",
    options=(Option(digit="0", does="menu", menu="start"), Option(digit="A", does="person")),
)  # fmt: skip
MENU = Menu(pages=(START, SERVICE), invalid="No such key.", speech=True)
FAQ = [Faq(question="Where are you?", answer="By the harbour.")]


class Scene:
    """What happened last, and a clock."""

    def __init__(self):
        self.now, self.done = 100.0, []
        self.walk = Walk(MENU, FAQ, self)
        self.walk.begin(self.now, "Hello.")

    def announce(self, *texts):
        self.done.append(("say", *(text for text in texts if text)))

    def person(self, text):
        self.done.append(("person", text))

    def collect(self, purpose, text):
        self.done.append(("collect", purpose))

    def talk(self, text):
        self.done.append(("talk", text))

    def finish(self, text):
        self.done.append(("finish", text))

    def key(self, digit):
        self.walk.key(digit, self.now)
        return self.done[-1]

    def after(self, seconds, *, busy=False):
        """What happens in so long a time, looked at ten times a second."""
        before = len(self.done)
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.walk.tick(self.now, busy=busy)
        return self.done[before:]


@pytest.fixture
def scene():
    return Scene()


def test_the_greeting_comes_before_the_first_announcement(scene):
    assert scene.done == [("say", "Hello.", START.announcement)]


def test_an_answer_is_said_and_the_menu_again(scene):
    assert scene.key("1") == ("say", "We open at nine.", START.announcement)
    assert scene.key("3") == ("say", "By the harbour.", START.announcement)


def test_a_key_opens_another_menu_and_its_keys_count_there(scene):
    assert scene.key("2") == ("say", SERVICE.announcement)
    assert scene.key("A") == ("person", "")
    assert scene.key("0") == ("say", START.announcement)  # the page uses it


def test_zero_is_for_a_person_unless_the_menu_uses_it(scene):
    assert scene.key("0") == ("person", "")
    assert scene.after(60) == []  # whoever waits for a person is not asked for keys
    assert scene.key("1") == ("say", "We open at nine.", START.announcement)


def test_a_key_without_a_meaning_is_told_and_the_menu_said_again(scene):
    assert scene.key("#") == ("say", "No such key.", START.announcement)
    assert scene.key("7") == ("finish", "")  # as often as silence: then the page's end
    assert not scene.walk.is_open


def test_silence_repeats_the_announcement_and_then_ends_as_configured(scene):
    assert scene.after(20, busy=True) == []  # the announcement itself is no silence
    assert scene.after(4.8) == []
    assert scene.after(0.4) == [("say", START.announcement)]
    assert scene.after(5) == [("finish", "")]
    assert scene.after(60) == []


def test_a_valid_key_starts_the_count_anew(scene):
    scene.after(5.1)
    scene.key("1")
    assert scene.after(5.1) == [("say", START.announcement)]


def test_a_page_without_repeats_ends_at_once(scene):
    scene.key("2")
    assert scene.after(5.1) == [("person", "")]


def test_digits_are_collected_and_the_menu_goes_on_where_the_key_says(scene):
    assert scene.key("4") == ("collect", "order")
    assert scene.after(60) == []  # their silence is not the menu's
    scene.walk.collected(scene.now)
    assert scene.done[-1] == ("say", SERVICE.announcement)


def test_the_talking_bot_takes_over_for_good(scene):
    assert scene.key("5") == ("talk", "Just ask.")
    assert (scene.walk.is_open, scene.after(60)) == (False, [])
    assert scene.key("1") == ("talk", "Just ask.")  # nothing new


@pytest.mark.parametrize(
    ("said", "digit"),
    [
        ("opening hours", "1"), ("The opening hours, please.", "1"), ("Repairs", "2"),
        ("two", "2"), ("press five please", "5"), ("option 9", "9"),
        ("can I have one for my son", None), ("what are your opening hours on a saturday", None),
        ("repair", None), ("", None), ("press eight", None),
    ],
)  # fmt: skip
def test_an_option_may_be_said(scene, said, digit):
    option = scene.walk.spoken(said)
    assert (option and option.digit) == digit
