"""Lists of history: pages, days and numbers."""

import re
from datetime import timedelta
from html import unescape
from itertools import chain

import pytest

from telephony import search
from telephony.models import Call
from tests.factories import NOW, make_call

pytestmark = [pytest.mark.db, pytest.mark.django_db]

LIST = "/admin/telephony/call/"


def make_calls(count: int) -> None:
    """Three share each moment, so that a page may begin among equals."""
    for n in range(count):
        make_call(room=f"call_{n}", caller=f"+1202555{n:04}", started_at=NOW - timedelta(n // 3))


def shown(client, path: str) -> tuple[list[str], dict[str, str]]:
    """The callers of a page in order, and where its links lead."""
    text = client.get(path).content.decode()
    callers = re.findall(r"\+1 202-555-(\d{4})", text)
    links = {
        which: LIST + unescape(href)
        for which, href in re.findall(r'<a rel="(prev|next)"[^>]*href="([^"]*)"', text)
    }
    return callers, links


def test_pages_follow_each_other_without_gap_or_repeat_and_back_again(admin_client):
    make_calls(120)
    callers, links = shown(admin_client, LIST)
    pages, addresses = [callers], [LIST]
    assert "prev" not in links
    while "next" in links:
        addresses.append(links["next"])
        callers, links = shown(admin_client, links["next"])
        pages.append(callers)
    newest_first = Call.objects.order_by("-started_at", "-pk").values_list("caller", flat=True)
    assert [len(page) for page in pages] == [50, 50, 20]
    assert list(chain(*pages)) == [caller[-4:] for caller in newest_first]
    back, links = shown(admin_client, links["prev"])
    assert back == pages[1]
    first, links = shown(admin_client, links["prev"])
    assert first == pages[0]
    assert "prev" not in links


def test_a_call_which_comes_in_meanwhile_moves_no_page(admin_client):
    make_calls(60)
    _, links = shown(admin_client, LIST)
    before = shown(admin_client, links["next"])[0]
    make_call(room="call_new", caller="+12025559999", started_at=NOW + timedelta(1))
    assert shown(admin_client, links["next"])[0] == before


def test_filters_stay_on_the_next_page(admin_client):
    make_calls(60)
    Call.objects.filter(pk__in=Call.objects.values("pk")[:5]).update(state="failed", ended_at=NOW)
    callers, links = shown(admin_client, f"{LIST}?state=ringing")
    assert len(callers) == 50
    assert "state=ringing" in links["next"]
    assert len(shown(admin_client, links["next"])[0]) == 5


@pytest.mark.parametrize(
    "place",
    [
        "x", "2026-11-21", ",", "2026-11-21T10:00:00Z,", "2026-99-99T10:00:00Z,1",
        "2026-11-21T10:00:00,5", "2026-11-21T10:00:00Z,٣", "2026-11-21T10:00:00Z," + "9" * 99,
    ],
)  # fmt: skip
def test_a_mangled_address_shows_calls_instead_of_failing(admin_client, place):
    make_calls(3)
    for name in ("before", "after"):
        assert admin_client.get(LIST, {name: place}).status_code == 200


def test_days_are_those_of_the_installation(admin_client, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    for n, hour in enumerate((-12, -11, 12, 13)):  # at 23:00 and 24:00 in Berlin
        make_call(
            room=f"call_{n}", caller=f"+120255500{n:02}", started_at=NOW + timedelta(hours=hour)
        )
    day = f"{LIST}?started_at_from=2026-11-21&started_at_to=2026-11-21"
    assert shown(admin_client, day)[0] == ["0002", "0001"]
    odd = f"{LIST}?started_at_from=rubbish&started_at_to=9999-12-31"
    assert admin_client.get(odd).status_code == 200


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("+1 202-555-0123", ["a", "b"]),
        ("(202) 555-0123", ["a", "b"]),
        ("0123", ["a", "b"]),
        ("001 202 555 0123", ["a", "b"]),
        ("+12025550124", []),
        ("555", []),  # numbers are looked for by their end
        ("23", []),  # too many would be found
        ("SCL_x", ["c"]),
        ("%", []),
        ("", ["a", "b", "c"]),
    ],
)
def test_a_number_is_found_by_its_end_however_it_is_typed(typed, found):
    make_call(room="a", caller="+12025550123")
    make_call(room="b", called="12025550123")
    make_call(room="c", caller="+493012345", sip_call_id="SCL_x")
    rows = search.calls(Call.objects.order_by("room"), typed)
    assert [call.room for call in rows] == found
