"""The yardstick's judgement: what is heard when, how sure a ratio is, in which order arms take
turns. No figure of speed is asserted."""

import itertools

import numpy as np
import pytest

from telephony.caller import audio
from telephony.caller.audio import RATE
from tests.bench.yardstick import scenario, sound, stats, talk
from tests.bench.yardstick.figures import Figure, Target
from tests.bench.yardstick.picture import picture
from tests.bench.yardstick.stats import Ratio
from tests.bench.yardstick.wire import Mark, Wire
from tests.emulators import speech
from tests.emulators.core import words
from tests.emulators.frames import frames_of
from tests.emulators.segments import utterances
from tests.emulators.spawned import Spawned

pytestmark = pytest.mark.unit


def found(value):
    """Not None."""
    assert value is not None
    return value


def quiet(seconds):
    return np.zeros(round(seconds * RATE), np.int16)


def as_heard(pcm):
    """µ-law there and back, on a line which hisses at -60 dBFS."""
    hiss = np.random.default_rng(1).normal(0, 32, len(pcm))
    return audio.decode(audio.encode(np.clip(pcm + hiss, -32768, 32767).astype(np.int16)))


def tone(seconds, *, hertz=700, level=4000):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(
        np.int16
    )


# --- statistics -----------------------------------------------------------------------------------


def test_a_percentile_was_really_measured():
    assert stats.percentile([400, 100, 300, 200], 0.5) == 200
    assert stats.percentile(list(range(1, 101)), 0.95) == 95
    assert stats.percentile([], 0.5) is None


def test_what_never_came_counts_as_endless():
    assert stats.percentile([100, None, 200], 0.95) == np.inf
    assert stats.percentile([100, None, 200], 0.5) == 200


@pytest.mark.parametrize(("share", "true"), [(0.5, 0.5), (0.95, 0.5)])
def test_the_interval_of_a_ratio_holds_the_truth_and_leaves_one_out(share, true):
    dice = np.random.default_rng(3)
    ours, theirs = dice.normal(600, 40, 60), dice.normal(1200, 80, 60)
    sure = found(stats.ratio(list(ours), list(theirs), share, seed=7))
    assert sure.low <= sure.value <= sure.high
    assert sure.low < true < sure.high
    assert sure.is_sure


def test_the_interval_of_equal_arms_holds_one():
    dice = np.random.default_rng(4)
    one, other = dice.normal(1200, 150, 40), dice.normal(1200, 150, 40)
    unsure = found(stats.ratio(list(one), list(other), 0.95, seed=7))
    assert unsure.low < 1 < unsure.high
    assert not unsure.is_sure


def test_the_same_seed_gives_the_same_interval():
    dice = np.random.default_rng(5)
    ours, theirs = list(dice.normal(600, 40, 60)), list(dice.normal(1200, 80, 60))
    assert stats.ratio(ours, theirs, 0.5, seed=7) == stats.ratio(ours, theirs, 0.5, seed=7)
    assert stats.ratio(ours, theirs, 0.5, seed=7) != stats.ratio(ours, theirs, 0.5, seed=8)


def test_lost_turns_make_a_ratio_worse_instead_of_falling_out():
    lossy: list[float | None] = [500] * 18 + [None] * 2
    assert found(stats.ratio([500] * 20, [1000] * 20, 0.95, seed=7)).value == 0.5
    assert found(stats.ratio(lossy, [1000] * 20, 0.95, seed=7)).value == np.inf


def test_nothing_on_one_side_is_no_ratio():
    assert stats.ratio([], [1000], 0.5, seed=7) is None
    assert stats.ratio([None], [None], 0.5, seed=7) is None


def test_blocks_go_there_and_back():
    order = stats.block_order(["a", "b", "c"], 4, seed=7)
    assert order[:3] == order[3:6][::-1] == order[6:9] == order[9:][::-1]
    places = {arm: [n for n, name in enumerate(order) if name == arm] for arm in "abc"}
    assert {len(taken) for taken in places.values()} == {4}
    assert len({sum(taken) for taken in places.values()}) == 1  # drift meets all alike


def test_the_seed_decides_who_begins():
    assert {tuple(stats.block_order("abc", 1, seed=n)) for n in range(40)} >= {
        ("a", "b", "c"), ("c", "b", "a"), ("b", "a", "c"),
    }  # fmt: skip
    assert stats.block_order("abc", 4, seed=5) == stats.block_order("abc", 4, seed=5)


def test_memory_a_call_is_the_slope():
    assert stats.slope([(0, 500), (1, 560), (2, 620)]) == pytest.approx(60)
    assert stats.slope([(1, 500), (1, 510)]) is None


# --- where an answer begins -----------------------------------------------------------------------


def test_a_marker_is_found_on_a_telephone_line_to_the_sample():
    pcm = as_heard(np.concatenate([quiet(1), speech.marker(5, RATE), tone(1), quiet(1)]))
    assert abs(found(sound.marker_onset(pcm, 5)) - RATE) <= 2
    assert sound.marker_onset(pcm, 6) is None


def test_of_two_markers_each_is_found_at_its_place():
    """A filler first, then the answer."""
    pcm = as_heard(
        np.concatenate(
            [quiet(0.5), speech.marker(1, RATE), tone(1), speech.marker(2, RATE), tone(1)]
        )
    )
    assert abs(found(sound.marker_onset(pcm, 1)) - 0.5 * RATE) <= 2
    assert abs(found(sound.marker_onset(pcm, 2)) - 1.7 * RATE) <= 2
    assert sound.marker_onset(pcm, 1, start=round(0.8 * RATE)) is None


def test_energy_agrees_with_a_marker_out_of_silence():
    pcm = as_heard(np.concatenate([quiet(1), speech.marker(5, RATE), quiet(1)]))
    assert abs(found(sound.energy_onset(pcm)) - RATE) <= sound.HOP
    assert sound.agrees(pcm, found(sound.marker_onset(pcm, 5)))


def test_sound_right_before_a_marker_is_flagged():
    pcm = as_heard(np.concatenate([quiet(1), tone(0.1), speech.marker(5, RATE), quiet(1)]))
    assert not sound.agrees(pcm, found(sound.marker_onset(pcm, 5)))


def test_a_click_is_no_speech():
    pcm = as_heard(np.concatenate([quiet(1), tone(0.02), quiet(1), tone(0.5)]))
    assert abs(found(sound.energy_onset(pcm)) - 2.02 * RATE) <= sound.HOP


def test_breath_within_an_answer_begins_no_second_one():
    pcm = np.concatenate([quiet(0.5), tone(0.6), quiet(0.3), tone(0.6), quiet(0.7), tone(0.5)])
    begins = sound.onsets(as_heard(pcm), 0, len(pcm))
    assert [round(at / RATE, 1) for at in begins] == [0.5, 2.7]


def test_an_interrupted_agent_stops_where_his_sound_ends():
    pcm = as_heard(np.concatenate([tone(2), quiet(1), tone(1)]))
    stop = found(sound.speech_end(pcm, round(1.5 * RATE)))
    assert abs(stop - 2 * RATE) <= sound.FRAME


# --- false cut-offs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begins", "pause", "judged"),
    [
        ([], (1.0, 2.0), ""),
        ([3.4], (1.0, 2.0), ""),  # after the end
        ([1.4], (1.0, 2.0), "inside"),
        ([2.3], (1.0, 2.0), "overlap"),  # he had gone on
        ([1.9, 2.5], (1.0, 2.0), "inside"),
        ([2.99], (1.0, 2.0), "overlap"),
        ([2.0], None, "inside"),  # into a sentence without a pause
        ([3.0], None, ""),
    ],
)
def test_who_speaks_before_the_caller_has_finished_cut_him_off(begins, pause, judged):
    assert sound.cut_off(begins, pause, end=3.0) == judged


async def test_a_pause_is_exactly_as_long_as_asked():
    first, second, _ = scenario.PAUSED[0]
    before, after = [await talk.voice(text, "slt") for text in (first, second)]
    whole, (last, again, end) = talk.joined(before, after, 600)
    assert again - last == 0.6 * RATE
    assert not whole[last:again].any()
    assert abs(found(sound.energy_onset(whole, last)) - again) <= sound.HOP
    assert end == audio.speech_end(whole)


# --- gaps -----------------------------------------------------------------------------------------


def test_only_silences_which_were_not_synthesised_are_gaps():
    said = np.concatenate([tone(0.5), quiet(0.2), tone(0.5), quiet(0.1), tone(0.5)])
    assert sound.gaps(as_heard(said), said) == 0
    torn = np.concatenate([tone(0.25), quiet(0.1), tone(0.25), said[round(0.5 * RATE) :]])
    assert sound.gaps(as_heard(torn), said) == 1
    late = np.concatenate([tone(0.5), quiet(0.35), said[round(0.7 * RATE) :]])
    assert sound.gaps(as_heard(late), said) == 1


# --- which answer it was --------------------------------------------------------------------------


def test_an_answer_is_known_by_its_first_words():
    answers = {words(text) for text in scenario.answers().values()}
    assert len({tuple(text.split()[:3]) for text in answers}) == len(answers)


def test_an_answer_is_put_together_from_its_pieces():
    wire = Wire(Spawned("", "", session=None))  # type: ignore[arg-type]
    wire.marks = [Mark(1, "We close at", 9.0), Mark(2, "The city race is full. ", 10.0)]
    wire.spoken = [(9.9, "The city race is full. "), (10.4, "There is a list.")]
    answer = "The city race is full. There is a list."
    assert wire.of(answer, until=20) == [wire.marks[1]]
    assert wire.pieces(wire.marks[1], answer, until=20) == [
        ("The city race is full. ", 2), ("There is a list.", 0),
    ]  # fmt: skip
    assert wire.pieces(wire.marks[1], answer + " Nobody said this.", until=20) is None


# --- the scenario ---------------------------------------------------------------------------------


def test_every_arm_gets_the_sizes_asked_for():
    sizes = scenario.Sizes(plain=9, faq=5, short=3, pauses=4, barges=2, blocks=4)
    turns = [item for block in scenario.rounds(sizes, 7) for call in block for item in call]
    kinds = [item.kind for item in turns]
    assert kinds.count("plain") == 9
    assert kinds.count("faq") == 5
    assert kinds.count("yes_no") + kinds.count("digits") == 3
    assert kinds.count("pause") == 4
    assert kinds.count("barge") == 2
    assert scenario.rounds(sizes, 7) == scenario.rounds(sizes, 7)


def test_a_short_reply_follows_the_question_it_answers():
    sizes = scenario.Sizes(plain=10, short=10)
    for call in (call for block in scenario.rounds(sizes, 3) for call in block):
        for before, item in itertools.pairwise(call):
            if item.kind in ("yes_no", "digits"):
                assert before.answer.endswith("?")


def test_eighteen_sentences_in_three_voices():
    sizes = scenario.Sizes(plain=60, faq=0, short=0, pauses=0, barges=0)
    turns = [item for block in scenario.rounds(sizes, 7) for call in block for item in call]
    assert len({item.text for item in turns}) >= 18
    assert len({item.voice for item in turns}) == 3


async def test_no_sentence_of_a_caller_holds_a_pause():
    """A recogniser would take it for two."""
    for text in scenario.utterances():
        for voice in speech.VOICES:
            frames = frames_of(await speech.speak(text, voice), speech.RATE)
            assert (text, voice, len(utterances(frames))) == (text, voice, 1)


# --- what is printed ------------------------------------------------------------------------------


def test_a_target_is_met_only_by_a_ratio_which_is_sure():
    figure = Figure("voice to voice", "p50", target=Target(0.6))
    figure.ratios = {"stock": Ratio(0.5, 0.4, 0.6), "tuned": Ratio(0.55, 0.3, 1.1)}
    assert figure.met("ours", "stock") is True
    assert figure.met("ours", "tuned") is False
    assert Figure("barge-in stop", target=Target(250, absolute=True), values={"ours": 251}).met(
        "ours", "stock"
    ) is False  # fmt: skip


def test_the_picture_shows_lost_turns_as_missing():
    drawn = picture({"ours": [500, 700], "stock": [900, None]}, "title & more", "note")
    assert drawn.count("<polyline") == 2
    assert "title &amp; more" in drawn
    ours, stock = (line.split('"')[1].split()[-1] for line in drawn.splitlines()
                   if line.startswith("<polyline"))  # fmt: skip
    assert float(ours.split(",")[1]) < float(stock.split(",")[1])  # y grows downwards
