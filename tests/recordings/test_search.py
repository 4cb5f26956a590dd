"""Finding what was said: while a call is on, afterwards, and no longer than it exists."""

import random
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import DatabaseError, connection

from recordings import search, spoken, spoken_index, tasks
from recordings.journal import take_entries
from recordings.models import JournalEntry, SpokenTurn, Transcript, TurnFigure
from recordings.queries import parse
from recordings.transcripts import build_transcript
from telephony.models import ApiKey, Call
from tests.factories import NOW, make_call, make_plan, make_project
from tests.recordings.conftest import A_CALL, ANSWERED, JOB, ROOM, closed, opened, story, turn

pytestmark = [pytest.mark.db, pytest.mark.django_db]

EVERYBODY = ApiKey(scopes=["recordings:read"])
rooms = count(1)


@pytest.fixture(params=["by the index", "by the newest calls"])
def way(request, monkeypatch):
    """Both ways to search find the same."""
    is_rare = request.param == "by the index"
    monkeypatch.setattr(spoken_index, "is_rare", lambda query: is_rare)
    return request.param


def said(*texts: str, before: timedelta = timedelta(0), **values) -> Call:
    """A call of the past with these turns, caller and bot in turns."""
    values = {"state": "ended", "ended_at": NOW - before + timedelta(seconds=60)} | values
    call = make_call(room=f"call_{next(rooms)}_x", started_at=NOW - before, **values)
    segments: list[dict[str, Any]] = [
        {"who": ("caller", "agent")[n % 2], "text": text, "start_ms": n * 1000,
         "end_ms": n * 1000 + 500, "via": "speech", "interrupted": False, "latency": {}}
        for n, text in enumerate(texts)
    ]  # fmt: skip
    spoken.write(call_id=call.pk, segments=segments)
    return call


def found(query: str, viewer=EVERYBODY, **filters) -> list[str]:
    return [hit.turn.text for hit in search.find(query, filters, viewer, limit=200).hits]


def left_in_the_index() -> int:
    """Words PostgreSQL or FTS5 still knows of rows."""
    sql = "SELECT count(*) FROM recordings_spokenturn"
    if connection.vendor == "sqlite":
        sql = (
            "SELECT count(*) FROM recordings_spoken_fts WHERE recordings_spoken_fts MATCH 'w OR o*'"
        )
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        ("open", ["When are you open?", "We OPEN at nine."]),
        ("open nine", ["We OPEN at nine."]),
        ('"you open"', ["When are you open?"]),
        ('"open you"', []),
        ("ope*", ["When are you open?", "We OPEN at nine.", "What are the opening hours?"]),
        ("ope", []),
        ("open -nine", ["When are you open?"]),
        ('open -"at nine"', ["When are you open?"]),
        ('"the opening ho*"', ["What are the opening hours?"]),
        ("cafe", ["Ein Café in München"]),
        ("MÜNCHEN", ["Ein Café in München"]),
        ("فتح", ["هل فَتْح الباب؟ 😀"]),
        ("😀", []),
        ("天気", ["今日は天気がいい"]),
        ("気天", []),
        ("don't", ["I don't know"]),
        ("script", ["<script>alert('x'); DROP TABLE y</script>"]),
        ("", []),
        ("-open", []),
    ],
)
def test_words_phrases_and_beginnings_are_found(query, texts, way):
    said(
        "When are you open?", "We OPEN at nine.", "What are the opening hours?",
        "Ein Café in München", "هل فَتْح الباب؟ 😀", "今日は天気がいい", "I don't know",
        "<script>alert('x'); DROP TABLE y</script>",
    )  # fmt: skip
    assert found(query) == texts


def test_the_newest_call_comes_first_and_its_turns_as_they_were_spoken(way):
    said("word one", "word two", before=timedelta(days=1))
    said("word three", "no", "word four")
    assert found("word") == ["word three", "word four", "word one", "word two"]


def test_pages_follow_each_other_without_gap_or_repeat(way):
    for n in range(9):  # three calls share each moment, each has three turns
        said(*(f"word {n} {at}" for at in range(3)), before=timedelta(days=n // 3))
    page, pages = search.find("word", {}, EVERYBODY, limit=4), []
    while page.next:
        pages.append(page)
        said("word which came meanwhile", before=-timedelta(days=1))
        page = search.find("word", {}, EVERYBODY, after=page.next, limit=4)
    shown = [hit.turn.text for one in [*pages, page] for hit in one.hits]
    assert [len(one.hits) for one in pages] == [4] * 6
    by_time = Call.objects.filter(started_at__lte=NOW).order_by("-started_at", "-pk")
    assert shown == [turn.text for call in by_time for turn in call.spoken.order_by("n")]


def test_a_page_says_up_to_when_it_looked_through_calls(monkeypatch):
    monkeypatch.setattr(spoken_index, "is_rare", lambda query: False)
    monkeypatch.setattr(search, "STEPS", (1, 2))
    for day in range(5):
        said("word" if day == 4 else "other", before=timedelta(days=day))
    page = search.find("word", {}, EVERYBODY)
    assert (page.hits, page.back_to) == ((), NOW - timedelta(days=2))
    page = search.find("word", {}, EVERYBODY, after=page.next)
    assert [hit.turn.text for hit in page.hits] == ["word"]
    assert (page.next, page.back_to) == ("", None)


@pytest.mark.parametrize(
    "place", ["x", "é", "", "fDE", "MjAyNi0xMS0yMVQxMDowMDowMHwxfDE", "=" * 50]
)
def test_a_place_which_is_none_is_refused_in_one_way(place):
    if place:
        with pytest.raises(search.BadPlace):
            search.find("word", {}, EVERYBODY, after=place)


def test_what_was_said_is_found_while_the_call_is_on(livekit):
    make_plan()
    told = story(*A_CALL)
    take_entries(journal=JOB, room=ROOM, entries=told[:4], now=NOW)
    assert found("open") == ["When are you open?"]
    first = SpokenTurn.objects.order_by("n")[0]
    take_entries(journal=JOB, room=ROOM, entries=told[4:5], now=NOW)
    assert found("nine six") == ["From nine to six."]
    assert SpokenTurn.objects.filter(pk=first.pk).exists()  # only the new turn was written


def test_the_transcript_changes_nothing_which_was_right_and_all_that_was_not(livekit):
    plan = make_plan()
    entries = story(opened(plan=plan.digest), *A_CALL[1:-1], closed())
    take_entries(journal=JOB, room=ROOM, entries=entries, now=NOW)
    call = Call.objects.get()
    keys = list(SpokenTurn.objects.order_by("n").values_list("pk", flat=True))
    for _ in range(2):
        transcript = build_transcript(call_id=call.pk, now=NOW)
    assert transcript
    assert transcript.spoken_at == NOW
    assert list(SpokenTurn.objects.order_by("n").values_list("pk", flat=True)) == keys
    rows = SpokenTurn.objects.order_by("n").values_list("who", "text", "provider", "project")
    assert list(rows) == [
        ("agent", "Hello, this is the shop.", "flite", call.project_id),
        ("caller", "When are you open?", "sphinx", call.project_id),
        ("agent", "From nine to six.", "faq", call.project_id),
    ]
    better = [dict(segment) for segment in transcript.segments]
    better[1] |= {"text": "Where are you?", "provider": "whisper", "confidence": 0.9}
    spoken.write(call_id=call.pk, segments=better)
    assert found("open") == []
    assert found("where") == ["Where are you?"]
    row = SpokenTurn.objects.get(n=1)
    assert (row.provider, row.confidence) == ("whisper", 0.9)


def test_late_entries_do_not_undo_better_words(livekit):
    take_entries(journal=JOB, room=ROOM, entries=story(*A_CALL), now=NOW)
    call = Call.objects.get()
    build_transcript(call_id=call.pk, now=NOW)
    spoken.write(call_id=call.pk, segments=[{"who": "caller", "text": "Better", "start_ms": 1}])
    take_entries(journal=JOB, room=ROOM, entries=story(turn("caller", "late"), first=6), now=NOW)
    assert found("better") == ["Better"]


def test_an_index_which_fails_costs_no_journal_entry(livekit, monkeypatch, caplog):
    def broken(**_):
        raise DatabaseError

    monkeypatch.setattr(spoken, "write", broken)
    take_entries(journal=JOB, room=ROOM, entries=story(*A_CALL[:4]), now=NOW)
    assert JournalEntry.objects.count() == 4
    assert "wait for its transcript" in caplog.text


def test_keys_are_not_found_and_a_turn_without_end_is_kept(livekit):
    monster = "monster " + " ".join(f"w{n}" for n in range(200_000))
    told = story(
        opened(), ANSWERED, ("dtmf", {"digit": "7"}), turn("caller", monster, 9000), closed()
    )
    take_entries(journal=JOB, room=ROOM, entries=told, now=NOW)
    assert found("7") == []
    [hit] = search.find("monster", {}, EVERYBODY).hits
    assert hit.turn.n == 1
    assert len("".join(segment.text for segment in hit.segments)) < 300


def test_a_deleted_call_is_found_nowhere(way):
    said("word other").delete()
    kept = said("kept word")
    spoken.write(call_id=kept.pk, segments=[{"who": "caller", "text": "kept"}])
    spoken_index.tidy()
    assert found("word") == found("other") == []
    assert left_in_the_index() == (0 if connection.vendor == "sqlite" else 1)
    Call.objects.all().delete()
    assert SpokenTurn.objects.count() == left_in_the_index() == 0


def test_what_was_said_can_be_forgotten_without_the_call():
    gone, kept = said("word", "word"), said("word kept")
    assert spoken.forget(call_ids=[gone.pk]) == 2
    assert found("word") == ["word kept"]
    assert Call.objects.filter(pk__in=[gone.pk, kept.pk]).count() == 2


def test_old_transcripts_are_caught_up_in_parts_and_only_once(monkeypatch):
    for n in range(5):
        call = make_call(room=f"old_{n}")
        segments = [{"who": "caller", "text": f"old {n}", "start_ms": 0, "end_ms": 1, "via": ""}]
        Transcript.objects.create(call=call, segments=segments, built_at=NOW)
    Transcript.objects.create(call=make_call(room="empty"), built_at=NOW)
    assert spoken.catch_up(limit=2, now=NOW) == 2
    assert found("old") == ["old 4"]  # the newest first; one was empty
    odd = Transcript.objects.get(call__room="old_1")
    Transcript.objects.filter(pk=odd.pk).update(segments=[7])
    assert spoken.catch_up(limit=100, now=NOW) == 4
    assert found("old") == ["old 4", "old 3", "old 2", "old 0"]
    assert spoken.catch_up(limit=100, now=NOW) == 0


def test_the_task_goes_on_until_every_transcript_can_be_searched(tasks_at_once, monkeypatch):
    monkeypatch.setattr(tasks, "TRANSCRIPTS_AT_ONCE", 2)
    for n in range(5):
        segments = [{"who": "caller", "text": f"old {n}"}]
        Transcript.objects.create(call=make_call(room=f"o{n}"), segments=segments, built_at=NOW)
    tasks.index_turns.delay()
    assert len(found("old")) == 5


# --- who may -------------------------------------------------------------------------------------


def test_only_who_may_read_transcripts_finds_anything(way):
    said("word")
    nobody = User.objects.create_user("eve", is_staff=True)
    reader = User.objects.create_user("ann", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_transcript"))
    outsider = User.objects.create_user("bob")
    outsider.user_permissions.add(Permission.objects.get(codename="view_transcript"))
    boss = User.objects.create_superuser("zoe")
    assert found("word", reader) == found("word", boss) == ["word"]
    for viewer in (nobody, outsider, AnonymousUser(), ApiKey(scopes=["calls:read"])):
        assert found("word", viewer) == []


def test_a_limit_on_calls_holds_for_every_word(way, monkeypatch):
    from django.db.models import Q

    mine, other = make_project(), make_project(slug="other", name="Other")
    said("word of mine", project=mine)
    said("word of others", project=other)
    monkeypatch.setattr(search, "visible_calls", lambda viewer: Q(project__in=[mine]))
    assert found("word") == ["word of mine"]
    assert found("word", project=other.pk) == []


# --- filters -------------------------------------------------------------------------------------


@pytest.fixture
def calls():
    """Two calls which differ in everything."""
    one, two = make_project(), make_project(slug="two", name="Two")
    first = said(
        "word first", "word answer", caller="+12025550111", called="+493012345", project=one,
        end_reason="caller", before=timedelta(days=3), ended_at=NOW - timedelta(days=3, minutes=-9),
    )  # fmt: skip
    second = said("word second", caller="+4989777", project=two, end_reason="providers")
    values = {"journal": "j", "ms": 0, "at": NOW, "data": {}}
    JournalEntry.objects.create(call=second, n=0, kind="error", **values)
    JournalEntry.objects.create(call=first, n=1, kind="switch", **values)
    TurnFigure.objects.create(call=second, n=1, at=NOW, stt="deepgram")
    TurnFigure.objects.create(call=second, n=2, at=NOW, tts="deepgram")
    return SimpleNamespace(one=one, two=two)


FIRST, ANSWER, SECOND = "word first", "word answer", "word second"


@pytest.mark.parametrize(
    ("filters", "texts"),
    [
        ({"number": "(202) 555-0111"}, [FIRST, ANSWER]),
        ({"number": "030 12345"}, [FIRST, ANSWER]),
        ({"number": "12"}, []),
        ({"since": NOW - timedelta(days=1)}, [SECOND]),
        ({"until": NOW}, [FIRST, ANSWER]),
        ({"longer_s": 300}, [FIRST, ANSWER]),
        ({"shorter_s": 300}, [SECOND]),
        ({"provider": "deepgram"}, [SECOND]),
        ({"fault": "error"}, [SECOND]),
        ({"fault": "switch"}, [FIRST, ANSWER]),
        ({"fault": "any"}, [SECOND, FIRST, ANSWER]),
        ({"end": "providers"}, [SECOND]),
        ({"who": "agent"}, [ANSWER]),
        ({"who": "agent", "fault": "error"}, []),
        ({"number": "", "fault": None}, [SECOND, FIRST, ANSWER]),
    ],
)
def test_filters_narrow_what_is_found(filters, texts, way, calls):
    assert found("word", **filters) == texts


def test_a_project_narrows_what_is_found(way, calls):
    assert found("word", project=calls.two.pk) == [SECOND]
    assert found("word", project=calls.one.pk, who="caller") == [FIRST]


def test_a_filter_nobody_knows_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        search.find("word", {"colour": "red"}, EVERYBODY)


# --- whatever anybody types ----------------------------------------------------------------------


def test_nothing_anybody_types_is_an_error(way):
    said("the word AND NEAR a b x table فتح")
    rng = random.Random(11)
    parts = ['"', "'", "\\", "*", "-", ":", "&", "|", "!", "(", ")", "<->", "NEAR(", " AND ", "\0",
             "{words}:", "^", "😀", "فتح", "'; DROP TABLE x;--", "%", "a", " the ", "\ud83d", "é",
             "½", "हिन्दी", "İ", "ﬁ", "\u0301", " OR 1=1", "$1", "%s", "\r\n", "１",
             "ǅ", "5e", "1e5x"]  # fmt: skip
    typed = ["".join(rng.choices(parts, k=rng.randint(1, 30))) for _ in range(150)]
    typed += ["x" * 10_240, '"' * 10_240, "- " * 5_000, "a* " * 3_000, "(" * 10_240, "é" * 10_240]
    for query in typed:
        for hit in search.find(query, {}, EVERYBODY).hits:
            assert any(segment.is_match for segment in hit.segments), query
    assert found("the") == ["the word AND NEAR a b x table فتح"]


def test_every_word_of_a_turn_finds_it_and_is_marked(way):
    """Words of all kinds of scripts, so that neither database splits them in its own way."""
    text = "1e5 0x1f 5e3abc 12:30 foo@bar.com http://a.b/c?d=1 x1y2 3,5 -7 ½ µ ª ﬁn IIΙ"
    text += " हिन्दी ไทย 한국어"
    said(text)
    for token in text.split():
        query = parse(token.lstrip("-"))
        [hit] = search.find(token.lstrip("-"), {}, EVERYBODY).hits
        assert not query.is_empty
        assert any(segment.is_match for segment in hit.segments), token
