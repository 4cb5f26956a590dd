"""Moments of a call which deserve a look."""

import pytest

from recordings import markers
from recordings.page import timeline

pytestmark = pytest.mark.unit


def turn(who: str, text: str, start_ms: int, **more):
    return {"who": who, "text": text, "start_ms": start_ms, "end_ms": start_ms + 500} | more


def test_interruptions_faults_switches_tools_and_masks_are_marked_where_they_happened():
    lines = timeline(
        [
            turn("agent", "Welcome to", 1000, interrupted=True),
            turn("caller", "My card is [card number], thanks", 3000),
        ],
        [
            (4000, "error", {"what": "tts", "detail": "status 500"}),
            (5000, "switch", {"role": "tts", "from": "a", "to": "", "reason": "failed"}),
            (6000, "tool", {"name": "end_call", "outcome": "done"}),
            (7000, "handover", {}),
        ],
        starts_ms=500,
        audible=True,
    )
    found = markers.of_lines(lines, origin=500)
    assert [(m.kind, m.seek_ms, m.anchor) for m in found] == [
        ("interruption", 500, "line-0"),
        ("mask", 2500, "line-1"),
        ("fault", 3500, "line-2"),
        ("switch", 4500, "line-3"),
        ("tool", 5500, "line-4"),
        ("handover", 6500, "line-5"),
    ]
    assert found[4].words == "end_call: done"


def test_a_pause_lasts_from_its_beginning_to_its_end_or_to_the_end_of_the_sound():
    entries = [
        (500, "consent", {"outcome": "no_answer"}),
        (2000, "pause", {"what": "begin", "why": "card"}),
        (9000, "pause", {"what": "end"}),
        (12_000, "pause", {"what": "begin", "why": "key"}),
    ]
    found = markers.of_entries(entries, origin=500, end_ms=20_000)
    assert [(m.kind, m.seek_ms, m.until_ms, m.words) for m in found] == [
        ("consent", 0, None, "no answer"),
        ("pause", 1500, 8500, "card"),
        ("pause", 11_500, 19_500, "key"),
    ]


@pytest.mark.parametrize("data", [{}, {"what": 7}, {"why": None, "what": "end"}, {"outcome": []}])
def test_an_odd_entry_does_not_hide_the_others(data):
    entries = [(1, "pause", data), (2, "consent", data), (3, "consent", {"outcome": "agreed"})]
    assert markers.of_entries(entries, origin=0, end_ms=0)[-1].words == "agreed"


def test_what_was_silenced_in_the_sound_is_marked():
    spans = [{"kind": "card", "channel": 0, "start_ms": 2000, "end_ms": 2500}]
    found = markers.of_spans(spans, origin=50)
    assert [(m.seek_ms, m.until_ms) for m in found] == [(2000, 2500)]


def test_a_long_line_is_cut_for_the_list():
    lines = timeline(
        [turn("agent", "word " * 99, 0, interrupted=True)], [], starts_ms=0, audible=True
    )
    (mark,) = markers.of_lines(lines, origin=0)
    assert len(mark.words) == markers.MOST_WORDS
    assert mark.words.endswith("…")
