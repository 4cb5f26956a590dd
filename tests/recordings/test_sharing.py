"""Links to one call for colleagues: for whom they open what, for how long, and who is told."""

import logging
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from recordings import sharing
from recordings.models import AccessLog, ShareLink
from telephony.models import Call
from tests.factories import NOW
from tests.recordings.test_call_page import (
    add_recording,
    add_transcript,
    ended_call,
    staff,
    turn,
)
from tests.sounds import ogg

pytestmark = [pytest.mark.db, pytest.mark.django_db]

HEARS = ("telephony.view_call", "recordings.view_recording")
SHARES = (*HEARS, "recordings.view_review", "recordings.add_sharelink")
WIDENS = (*SHARES, "recordings.widen_sharelink")


@pytest.fixture
def call(bucket) -> Call:
    call = ended_call()
    row = add_recording(call, starts_ms=0)
    add_transcript(call, turn("caller", "I want my money back", 1000, 2000))
    bucket.objects[row.object_key] = ogg(seconds=1)
    return call


def shared(call: Call, *, widens: bool = True, by: User | None = None, hours: int = 24) -> str:
    _, token = sharing.share(
        call_id=call.pk, user=by or staff(*WIDENS), hours=hours, at_ms=None, widens=widens, now=NOW
    )
    return token


def visit(client, name: str, token: str):
    return client.get(reverse(f"recordings:{name}", args=[token]))


def noted() -> list[tuple[str, int | None]]:
    return list(AccessLog.objects.order_by("pk").values_list("what", "call_id"))


def test_who_may_neither_read_nor_hear_calls_reads_and_hears_this_one(client, call, clock):
    token = shared(call)
    other = ended_call(room="call_2")
    add_recording(other)
    client.force_login(staff(name="guest"))
    html = visit(client, "shared", token).content.decode()
    answer = visit(client, "shared_play", token)
    assert "I want my money back" in html
    assert reverse("recordings:shared_play", args=[token]) in html
    assert answer.status_code == 302
    assert "X-Amz-Expires=300" in answer.headers["Location"]
    assert "no-store" in answer.headers["Cache-Control"]
    assert noted() == [("share", call.pk), ("play", call.pk)]
    # and nothing else
    assert client.get(reverse("recordings:play", args=[other.recording.pk])).status_code == 403
    assert client.get(reverse("recordings:play", args=[call.recording.pk])).status_code == 403
    assert client.get(f"/admin/telephony/call/{call.pk}/change/").status_code == 403
    assert client.get(reverse("recordings:fragment", args=[call.pk])).status_code == 403


def test_a_plain_link_lets_nobody_hear_what_they_may_not_hear(client, call, clock):
    token = shared(call, widens=False)
    client.force_login(staff(name="guest"))
    for name in ("shared", "shared_play", "shared_shape"):
        assert visit(client, name, token).status_code == 403
    client.force_login(staff("telephony.view_call", name="reader"))
    assert visit(client, "shared", token).headers["Location"].endswith(f"/{call.pk}/change/")
    assert visit(client, "shared_play", token).status_code == 403


def test_who_may_hear_calls_is_led_to_the_call_at_the_moment_which_was_meant(client, call, clock):
    _, token = sharing.share(
        call_id=call.pk, user=staff(*SHARES), hours=1, at_ms=65_000, widens=False, now=NOW
    )
    client.force_login(staff(*HEARS, name="bob"))
    assert visit(client, "shared", token).headers["Location"].endswith("/change/#at=65000")


def test_outside_the_organisation_a_link_opens_nothing(client, call, clock):
    token = shared(call)
    for name in ("shared", "shared_play", "shared_shape"):
        assert visit(client, name, token).headers["Location"].startswith("/admin/login/")
    client.force_login(User.objects.create_user("customer"))
    for name in ("shared", "shared_play", "shared_shape"):
        assert visit(client, name, token).status_code == 403


def test_a_link_ends_when_it_was_said_to_or_is_revoked(client, call, clock):
    guest, maker = staff(name="guest"), staff(*WIDENS, name="maker")
    token = shared(call, by=maker, hours=1)
    client.force_login(guest)
    assert visit(client, "shared", token).status_code == 200
    clock.move(3600)
    for name in ("shared", "shared_play", "shared_shape"):
        assert visit(client, name, token).status_code == 404

    token = shared(call, by=maker, hours=8)
    client.force_login(maker)
    link = ShareLink.objects.latest("pk")
    client.post(reverse("recordings:revoke_share", args=[link.pk]))
    client.force_login(guest)
    assert visit(client, "shared_play", token).status_code == 404


def test_a_link_of_a_colleague_who_left_or_lost_the_right_widens_nothing(client, call, clock):
    maker = staff(*WIDENS, name="maker")
    token = shared(call, by=maker)
    client.force_login(staff(name="guest"))
    maker.user_permissions.clear()
    assert visit(client, "shared_play", token).status_code == 403
    maker.delete()
    assert visit(client, "shared_play", token).status_code == 403


def test_the_database_does_not_know_the_token(call):
    token = shared(call)
    row = ShareLink.objects.values().get()
    assert token not in str(row)
    assert len(row["token_hash"]) == 64
    assert sharing.find(token=token, now=NOW)
    assert sharing.find(token=token[:-1], now=NOW) is None


@pytest.mark.parametrize(("hours", "lasts"), [(0, 1), (9999, 720), (72, 72)])
def test_a_link_lasts_from_an_hour_to_thirty_days(call, hours, lasts):
    shared(call, hours=hours)
    assert ShareLink.objects.get().expires_at == NOW + timedelta(hours=lasts)


def test_a_link_is_made_on_the_page_and_shown_once(client, call, clock, caplog):
    client.force_login(staff(*WIDENS))
    with caplog.at_level(logging.INFO):
        answer = client.post(
            reverse("recordings:add_share", args=[call.pk]), {"hours": "8", "widens": "yes"}
        )
    html = answer.content.decode()
    assert "http://testserver/recordings/shared/" in html
    assert noted() == [("share", call.pk)]
    assert "recordings/shared/" not in caplog.text
    page = client.get(f"/admin/telephony/call/{call.pk}/change/").content.decode()
    assert "/recordings/shared/" not in page
    assert "opens the call for every colleague" in page


def test_who_may_not_hear_cannot_let_others_hear(client, call):
    wide = ("telephony.view_call", "recordings.add_sharelink", "recordings.widen_sharelink")
    for user in (staff(*SHARES, name="narrow"), staff(*wide, name="deaf")):
        client.force_login(user)
        url = reverse("recordings:add_share", args=[call.pk])
        assert client.post(url, {"hours": "8", "widens": "yes"}).status_code == 403
    assert not ShareLink.objects.exists()


def test_a_store_which_is_away_is_explained_behind_a_link_as_well(client, call, clock, bucket):
    token = shared(call)
    bucket.away = True
    client.force_login(staff(name="guest"))
    answer = visit(client, "shared_play", token)
    assert answer.status_code == 503
    assert "object store does not answer" in answer.content.decode()
