"""A test call in words: where it broke, and what to do."""

import numpy as np
import pytest
from django.utils import timezone

from telephony import testline, wiring
from telephony.caller import selftest
from telephony.caller.selftest import Heard, Verdict, judge, media_trouble, tone_at
from tests.factories import NOW

pytestmark = pytest.mark.unit

GOOD = Heard(
    status=200, progress=True, answered_ms=450, announced=True, echoed_ms=210, media="127.0.0.1",
    packets=300,
)  # fmt: skip


def test_a_call_with_sound_both_ways_is_good():
    verdict = judge(GOOD)
    assert verdict.ok
    assert verdict.steps == (
        "The echo line answered after 0.45 s.",
        "Its announcement was heard.",
        "Our tone came back after 0.21 s.",
    )


@pytest.mark.parametrize(
    ("heard", "headline"),
    [
        (Heard(), "Nothing came back: no SIP server answers."),
        (Heard(progress=True), "The call rang, and nobody answered."),
        (Heard(status=486, reason="486 Busy Here"), "The call was refused: 486 Busy Here."),
        (Heard(status=200, announced=True), "One-way audio: we hear the line"),
        (Heard(status=200, packets=9), "Answered, but silent: sound arrives"),
        (Heard(status=200), "Answered, but silent: not one packet"),
    ],
)
def test_each_way_to_break_is_told_with_advice(heard, headline):
    verdict = judge(heard)
    assert not verdict.ok
    assert verdict.headline.startswith(headline)
    assert verdict.advice


def test_our_tone_is_told_from_speech_and_silence():
    noise = np.random.default_rng(1).normal(0, 4000, 8000).astype(np.int16)
    assert tone_at(np.zeros(8000, np.int16)) is None
    assert tone_at(noise) is None
    assert tone_at(selftest._tone() // 20) is not None  # quiet lines count
    late = np.concatenate([np.zeros(4000, np.int16), selftest._tone()])
    assert abs((tone_at(late) or 0) - 4000) <= 400


@pytest.mark.parametrize(
    ("sip", "media", "is_wrong"),
    [
        ("127.0.0.1:5060", "127.0.0.1", False),
        ("8.8.8.8:5060", "8.8.8.8", False),
        ("8.8.8.8:5060", "10.0.0.5", True),
        ("8.8.8.8:5060", "127.0.0.1", True),
        ("10.0.0.5:5060", "127.0.0.1", True),
        ("127.0.0.1:5060", "10.0.0.5", False),
        ("127.0.0.1:5060", "", False),
    ],
)
def test_an_address_nobody_outside_reaches_is_told(sip, media, is_wrong):
    assert bool(media_trouble(sip, media)) == is_wrong


# --- the line, for one call -----------------------------------------------------------------------


def test_the_line_is_there_for_the_call_and_gone_after_it(livekit, monkeypatch, settings):
    seen: dict = {}

    def place(target: str, *, username: str, password: str) -> Verdict:
        seen.update(target=target, trunks=list(livekit.trunks.values()))
        (rule,) = livekit.rules.values()
        assert rule.agent_metadata == '{"echo": true}'
        assert seen["trunks"][0].auth_password == password
        return Verdict(ok=True, headline="Fine.", media="127.0.0.1")

    monkeypatch.setattr(selftest, "place", place)
    livekit.trunks["ST_left"] = _left_behind(livekit)
    assert testline.run(now=NOW).ok
    (trunk,) = seen["trunks"]
    assert seen["target"] == f"sip:{trunk.numbers[0]}@{settings.SIP_ADDRESS}"
    assert trunk.allowed_addresses == ()
    assert (livekit.trunks, livekit.rules) == ({}, {})
    assert testline.last()["headline"] == "Fine."


def _left_behind(livekit):
    from telephony.sync import InboundTrunkSpec

    return InboundTrunkSpec(
        tag=f"{testline.PREFIX}old", name="old", numbers=("echo-old",), allowed_addresses=(),
        ringing_timeout_s=1, auth_username="u", auth_password="p",
    )  # fmt: skip


def test_livekit_away_is_told_and_two_calls_do_not_meet(livekit):
    livekit.away = True
    assert testline.run(now=NOW).headline == "LiveKit cannot be reached."
    with wiring.single_flight("testcall", lease_s=9, wait_s=0):
        assert testline.run(now=NOW).headline == "Another test call is running."


def test_a_test_call_nobody_places_does_not_wait_for_ever(livekit):
    testline.remember_asked(timezone.now())
    assert testline.last()["state"] == "waiting"
    testline.remember_asked(timezone.now() - 2 * testline.LATE)
    assert testline.last()["headline"] == "Nobody placed the test call."
