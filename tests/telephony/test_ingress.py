"""Sources from outside: pushed, watched, repaired; never a caller, and their keys shown once."""

import json
import logging
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.urls import reverse

from telephony import ingress_address, ingress_push, services, watch
from telephony.errors import GatewayUnavailable
from telephony.ingress_address import Forbidden
from telephony.lifecycle import CallState
from telephony.live import LiveParticipant
from telephony.models import Call, InboundEvent, Ingress, Leg
from telephony.models_ingress import check_room
from telephony.tasks_ingress import audit_ingress
from tests.factories import NOW, make_call
from tests.hooks import captured, post

pytestmark = [pytest.mark.db, pytest.mark.django_db]

URL = "https://93.184.215.14/music.mp3"
ROOM = "call_+12025550123_abc"


def make(**values) -> Ingress:
    values = {"name": "Music", "kind": "rtmp", "purpose": "hold_music", "room": "lobby"} | values
    return Ingress.objects.create(**values)


def sync(livekit, *, at_s: float = 0) -> int:
    return ingress_push.sync(now=NOW + timedelta(seconds=at_s), gateway=livekit)


def now_of(row: Ingress) -> Ingress:
    return Ingress.objects.get(pk=row.pk)


def test_pushing_twice_changes_livekit_once(livekit):
    row = make()
    assert [sync(livekit), sync(livekit)] == [1, 0]
    (live,) = livekit.ingresses.values()
    assert (live.kind, live.room, live.identity) == ("rtmp", "lobby", f"ingress_{row.pk}")
    row = now_of(row)
    assert (row.sync_state, row.remote_id, row.address) == ("synced", live.remote_id, live.address)


def test_a_change_keeps_the_key_of_whoever_sends(livekit):
    row = make()
    sync(livekit)
    key = next(iter(livekit.ingresses.values())).stream_key
    Ingress.objects.update(room="hall", name="Other")
    assert sync(livekit) == 1
    (live,) = livekit.ingresses.values()
    assert (live.room, live.name, live.stream_key) == ("hall", "Other", key)
    assert now_of(row).remote_id == live.remote_id


def test_a_deleted_or_switched_off_row_is_taken_away_and_foreign_ones_stay(livekit):
    foreign = livekit.create_ingress(
        replace(ingress_push.spec_of(make(name="x")), tag="somebody else's")
    )
    off = make(name="off")
    sync(livekit)
    Ingress.objects.filter(name="x").delete()
    Ingress.objects.filter(pk=off.pk).update(enabled=False)
    assert sync(livekit) == 2
    assert list(livekit.ingresses) == [foreign.remote_id]
    assert (now_of(off).remote_id, now_of(off).sealed_stream_key) == ("", "")


def test_what_livekit_has_lost_is_made_again_and_said_to_have_a_new_key(livekit):
    row = make()
    sync(livekit)
    ingress_push.take_key(row=row, now=NOW)
    livekit.flushall()
    assert sync(livekit) == 1
    row = now_of(row)
    assert row.sync_state == "synced"
    assert "new stream key" in row.state_error
    assert row.sealed_stream_key
    assert row.key_shown_at is None


def test_one_made_twice_is_made_one(livekit):
    """The answer to the first was lost, and two pushes crossed."""
    row = make()
    for _ in range(2):
        livekit.create_ingress(ingress_push.spec_of(row))
    sync(livekit)
    assert list(livekit.ingresses) == [now_of(row).remote_id]


def test_a_refusal_is_on_the_row_and_tried_again_later(livekit):
    row, other = make(kind="url", source_url=URL), make(name="Other")
    livekit.ingress_service = False
    sync(livekit)
    row = now_of(row)
    assert (row.sync_state, row.remote_id) == ("failed", "")
    assert "No ingress service answered" in row.sync_error
    assert now_of(other).sync_state == "synced"  # one must not keep us from the others
    livekit.ingress_service = True
    assert sync(livekit, at_s=30) == 0
    assert sync(livekit, at_s=61) == 1
    assert now_of(row).sync_error == ""


def test_a_livekit_without_an_address_to_send_to_says_so_and_is_believed_later(livekit):
    row = make()
    sync(livekit)
    remote_id = now_of(row).remote_id
    live = livekit.ingresses[remote_id]
    livekit.ingresses[remote_id] = replace(live, address="")
    sync(livekit)
    assert now_of(row).sync_state == "failed"
    assert "no part “ingress”" in now_of(row).sync_error
    livekit.ingresses[remote_id] = live
    sync(livekit)
    assert (now_of(row).sync_state, now_of(row).sync_error) == ("synced", "")
    assert list(livekit.ingresses) == [remote_id]


def test_while_livekit_is_away_rows_stay_pending(livekit):
    row = make()
    livekit.away = True
    with pytest.raises(GatewayUnavailable):
        sync(livekit)
    assert now_of(row).sync_state == "pending"


# --- a source we fetch --------------------------------------------------------------------------


def test_what_was_played_to_its_end_is_not_played_again_by_itself(livekit):
    row = make(kind="url", source_url=URL)
    sync(livekit)
    remote_id = now_of(row).remote_id
    assert ingress_push.told(remote_id=remote_id, status="complete", error="", at_ns=5)
    assert sync(livekit) == 1
    assert livekit.ingresses == {}
    assert sync(livekit) == 0
    assert (now_of(row).state, now_of(row).sync_state) == ("complete", "synced")
    ingress_push.play_again(row=row)
    assert sync(livekit) == 1
    assert now_of(row).state == "inactive"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/a", "by http or https"),
        ("file:///etc/passwd", "by http or https"),
        ("https://user:pw@example.com/a", "a name, a password"),
        ("https://exa mple.com/a", "a name, a password or a blank"),
        ("http://127.0.0.1/a", "not on the Internet"),
        ("http://[::1]/a", "not on the Internet"),
        ("http://[::ffff:10.0.0.1]/a", "not on the Internet"),
        ("http://169.254.169.254/latest/meta-data", "not on the Internet"),
        ("http://192.168.1.7:7070/recordings", "not on the Internet"),
        ("http://localhost/a", "inside our own network"),
        ("http://redis:6379/", "inside our own network"),
        ("http://nas.local/a", "inside our own network"),
        ("http://x.internal./a", "inside our own network"),
        ("https://example.com:port/a", "no web address"),
    ],
)
def test_an_address_inside_the_house_is_refused_in_words(url, words):
    with pytest.raises(Forbidden, match=words):
        ingress_address.check(url, private=[])


def test_a_listed_network_may_be_fetched_from():
    private = ["192.168.1.0/24"]
    assert ingress_address.check("http://192.168.1.7/a", private=private)
    assert ingress_address.check("http://nas.local/a", private=private)
    with pytest.raises(Forbidden):
        ingress_address.check("http://10.0.0.1/a", private=private)


@pytest.mark.parametrize("inside", ["10.0.0.1", "::1", "64:ff9b::7f00:1"])
def test_a_name_which_stands_for_an_address_inside_is_refused(inside):
    def resolve(host: str):
        return [ip_address("93.184.215.14"), ip_address(inside)]

    with pytest.raises(Forbidden, match="not on the Internet"):
        ingress_address.check_resolved("https://example.com/a", private=[], resolve=resolve)


def test_a_name_which_turned_inside_after_it_was_saved_is_not_pushed(livekit, monkeypatch):
    row = make(kind="url", source_url="https://music.example/a")
    monkeypatch.setattr(ingress_address, "_resolve", lambda host: [ip_address("10.0.0.1")])
    sync(livekit)
    assert livekit.ingresses == {}
    assert "10.0.0.1 is not on the Internet" in now_of(row).sync_error


# --- in a call ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("tasks_at_once")
def test_what_plays_into_a_call_ends_with_it(livekit, django_capture_on_commit_callbacks):
    call = make_call(room=ROOM, state=CallState.TALKING, answered_at=NOW)
    make(call=call, room="")
    sync(livekit)
    assert [live.room for live in livekit.ingresses.values()] == [ROOM]
    with django_capture_on_commit_callbacks(execute=True):
        services.move_call(room=ROOM, to=CallState.ENDED, at=NOW)
    assert livekit.ingresses == {}


def joined(kind: int | str, identity: str) -> bytes:
    body = json.loads(captured("caller_participant_joined"))
    body["participant"] |= {"kind": kind, "identity": identity, "attributes": {}}
    body["room"]["name"] = ROOM
    return json.dumps(body | {"id": f"EV_{identity}"}).encode()


@pytest.mark.usefixtures("tasks_at_once")
@pytest.mark.parametrize("event", ["participant_joined", "participant_left"])
def test_an_ingress_is_neither_a_caller_nor_a_leg(
    client, livekit, event, django_capture_on_commit_callbacks
):
    body = json.loads(joined("INGRESS", "ingress_1")) | {"event": event}
    with django_capture_on_commit_callbacks(execute=True):
        assert post(client, json.dumps(body).encode()).status_code < 300
    assert InboundEvent.objects.get().payload["participant"]["kind"] == "ingress"
    assert not Call.objects.exists()
    assert not Leg.objects.exists()


def test_the_reconciler_adopts_no_call_for_an_ingress_and_counts_it_as_no_company(livekit):
    livekit.ring(ROOM)
    source = LiveParticipant(identity="ingress_1", kind="ingress")
    livekit.participants[ROOM] = [source]
    watch.reconcile_calls(now=NOW, gateway=livekit)
    assert not Call.objects.exists()
    livekit.ring(ROOM)
    livekit.participants[ROOM].append(source)
    watch.reconcile_calls(now=NOW, gateway=livekit)
    call = Call.objects.get()
    assert [leg.identity for leg in call.legs.all()] == ["sip_+12025550123"]
    later = call.started_at + timedelta(seconds=20)
    watch.watch_call(call_id=call.pk, now=later, gateway=livekit)
    call.refresh_from_db()
    assert call.end_reason == "no_agent"  # music alone answers nobody


# --- hooks --------------------------------------------------------------------------------------

KEY = "a-stream-key-nobody-may-see"


def hook(event: str, status: str, *, at_ns: int, remote_id: str = "IN_1", n: int = 1) -> bytes:
    state = {"status": status, "updatedAt": str(at_ns)}
    info = {
        "ingressId": remote_id, "streamKey": KEY, "url": "rtmp://127.0.0.1/live",
        "roomName": "lobby", "state": state,
    }  # fmt: skip
    body = {"id": f"EV_{n}", "event": event, "createdAt": "1790000000", "ingressInfo": info}
    return json.dumps(body).encode()


@pytest.fixture
def tell(client, livekit, tasks_at_once, django_capture_on_commit_callbacks):
    def tell(body: bytes) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            assert post(client, body).status_code < 300

    return tell


@pytest.fixture
def sent(livekit) -> Ingress:
    row = make()
    sync(livekit)
    return now_of(row)


def test_hooks_tell_the_state_in_any_order_and_however_often(sent, tell, livekit):
    def publish(n: int) -> bytes:
        return hook(
            "ingress_started", "ENDPOINT_PUBLISHING", at_ns=20, remote_id=sent.remote_id, n=n
        )

    live = livekit.ingresses[sent.remote_id]
    livekit.ingresses[sent.remote_id] = replace(live, status="publishing", at_ns=20)
    tell(publish(1))
    assert now_of(sent).state == "publishing"
    tell(hook("ingress_started", "ENDPOINT_BUFFERING", at_ns=10, remote_id=sent.remote_id, n=2))
    tell(publish(3))
    assert now_of(sent).state == "publishing"
    livekit.ingresses[sent.remote_id] = replace(live, status="inactive", at_ns=30)
    tell(hook("ingress_ended", "ENDPOINT_INACTIVE", at_ns=30, remote_id=sent.remote_id, n=4))
    tell(publish(5))
    assert now_of(sent).state == "inactive"


def test_what_hooks_lost_the_list_tells(sent, livekit):
    live = livekit.ingresses[sent.remote_id]
    livekit.ingresses[sent.remote_id] = replace(
        live, status="error", error="The stream broke off.", at_ns=50
    )
    sync(livekit)
    row = now_of(sent)
    assert (row.state, row.state_error) == ("error", "The stream broke off.")


def test_a_hook_of_somebody_elses_ingress_changes_nothing(sent, tell):
    tell(hook("ingress_started", "ENDPOINT_PUBLISHING", at_ns=20, remote_id="IN_other"))
    assert now_of(sent).state == "inactive"


def test_the_key_of_a_hook_is_stored_and_logged_nowhere(sent, tell, caplog):
    caplog.set_level(logging.DEBUG)
    body = hook("ingress_started", "ENDPOINT_PUBLISHING", at_ns=20, remote_id=sent.remote_id)
    tell(body)
    assert KEY not in json.dumps(list(InboundEvent.objects.values_list("payload", flat=True)))
    assert KEY not in caplog.text


# --- the key ------------------------------------------------------------------------------------


def test_the_key_is_sealed_and_given_once(sent, livekit):
    key = livekit.ingresses[sent.remote_id].stream_key
    assert key not in str(list(Ingress.objects.values_list()))
    assert ingress_push.take_key(row=sent, now=NOW) == key
    assert ingress_push.take_key(row=sent, now=NOW) == ""
    sync(livekit)
    assert ingress_push.take_key(row=sent, now=NOW) == ""


def test_a_new_key_replaces_the_old_one(sent, livekit):
    old = livekit.ingresses[sent.remote_id].stream_key
    ingress_push.new_key(row=sent)
    sync(livekit)
    (live,) = livekit.ingresses.values()
    assert live.stream_key != old
    row = now_of(sent)
    assert row.remote_id == live.remote_id
    assert row.state_error == ""
    assert ingress_push.take_key(row=row, now=NOW) == live.stream_key


# --- pages --------------------------------------------------------------------------------------


@pytest.fixture
def supervisor(client, livekit, tasks_at_once):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def form(**changes: str) -> dict[str, str]:
    usual = {"name": "Music", "kind": "url", "purpose": "hold_music", "source_url": URL}
    return usual | {"room": "lobby", "call": "", "enabled": "on"} | changes


def test_one_is_added_and_pushed(supervisor, livekit, django_capture_on_commit_callbacks):
    url = reverse("admin:telephony_ingress_changelist")
    assert "brings sound or a picture" in supervisor.get(url).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        answer = supervisor.post(reverse("admin:telephony_ingress_add"), form())
    assert answer.status_code == 302
    assert [live.address for live in livekit.ingresses.values()] == [URL]
    assert "Room lobby" in supervisor.get(url).content.decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source_url": ""}, "Where is it fetched from?"),
        ({"kind": "rtmp"}, "Only a URL is fetched"),
        ({"source_url": "http://10.0.0.1/x"}, "not on the Internet"),
        ({"room": ""}, "one of the two"),
        ({"room": ROOM}, "belong to calls"),
        ({"kind": "carrier pigeon"}, "not one of the available choices"),
    ],
)
def test_what_cannot_work_is_refused_in_words(supervisor, changes, words):
    answer = supervisor.post(reverse("admin:telephony_ingress_add"), form(**changes))
    assert words in answer.content.decode()
    assert not Ingress.objects.exists()


@pytest.mark.parametrize("name", ["call", "call_x", "unknown_1", "norule"])
def test_a_standing_room_has_no_calls_name(name):
    with pytest.raises(ValidationError):
        check_room(name)


def test_the_page_shows_the_key_once_after_a_question(supervisor, sent, livekit):
    key = livekit.ingresses[sent.remote_id].stream_key
    url = reverse("admin:telephony_ingress_show_key", args=[sent.pk])
    assert key not in supervisor.get(url).content.decode()
    shown = supervisor.post(url)
    assert key in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert key not in supervisor.post(url, follow=True).content.decode()


def test_who_may_only_look_sees_no_key_and_makes_none(client, sent, livekit):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_ingress"))
    client.force_login(viewer)
    for name in ("show_key", "renew_key", "again"):
        answer = client.post(reverse(f"admin:telephony_ingress_{name}", args=[sent.pk]))
        assert answer.status_code == 403
    assert now_of(sent).sealed_stream_key


def test_a_played_source_is_played_again_on_demand(
    supervisor, livekit, django_capture_on_commit_callbacks
):
    row = make(kind="url", source_url=URL, state="complete", sync_state="synced")
    with django_capture_on_commit_callbacks(execute=True):
        supervisor.post(reverse("admin:telephony_ingress_again", args=[row.pk]))
    assert len(livekit.ingresses) == 1


def test_the_audit_repairs_drift_and_waits_for_a_livekit_which_is_away(livekit):
    make()
    livekit.away = True
    audit_ingress()
    livekit.away = False
    audit_ingress()
    assert len(livekit.ingresses) == 1
