"""Stores and profiles at the desk, and what calls make of them."""

from contextlib import suppress
from datetime import timedelta

import pytest
from celery.exceptions import Retry
from django.db import IntegrityError, transaction
from django.urls import reverse

from agents import seal
from agents.rotation import rotate
from recordings import services, stores, tasks, wiring
from recordings.models import ProfileUse, Recording, RecordingPart, RecordingProfile, Store
from telephony import services as telephony
from telephony import wiring as telephony_wiring
from telephony.lifecycle import CallState
from tests.agents.pages import shown
from tests.factories import NOW, make_call, make_plan, make_project
from tests.fakes.bucket import FakeBucket
from tests.fakes.egress import SOUND, EgressGateway
from tests.recordings.conftest import ROOM

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("tasks_at_once")]

STREAM_KEY = "live_a-stream-key"
RTMP = f"rtmp://live.example.org/app/{STREAM_KEY}"
SECRET = "the-secret-of-the-store"


def make_store(settings, **values) -> Store:
    values = {
        "name": "Far", "endpoint": "https://s3.example.org", "bucket": "far-calls",
        "access_key": "AK", "sealed_secret": seal.seal(SECRET, keys=settings.SEAL_KEYS),
    } | values  # fmt: skip
    return Store.objects.create(**values)


def make_profile(project=None, **values) -> RecordingProfile:
    profile = RecordingProfile.objects.create(**({"name": "Ours"} | values))
    if project:
        ProfileUse.objects.create(project=project, profile=profile)
    return profile


# --- the form of a profile ----------------------------------------------------------------------


@pytest.fixture
def add_profile(admin_client):
    def add(**values):
        data = {
            "name": "Ours", "kind": "room", "channels": "two", "format": "ogg", "store": "",
            "rtmp": "", "websocket": "",
        } | values  # fmt: skip
        return admin_client.post(reverse("admin:recordings_recordingprofile_add"), data)

    return add


def errors(answer) -> dict[str, list[str]]:
    assert answer.status_code == 200, "it was accepted"
    return dict(answer.context["adminform"].form.errors)


def test_the_default_of_the_form_is_what_egress_does_well(add_profile):
    project = make_project()
    assert add_profile(projects=[project.pk]).status_code == 302
    profile = RecordingProfile.objects.get()
    assert stores.profile_of(make_call(project=project)) == profile


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"video": "on", "channels": "mixed", "format": "mp4"}, "video"),
        ({"kind": "participant", "channels": "mixed", "video": "on"}, "format"),
        ({"kind": "track"}, "channels"),
        ({"format": "hls"}, "format"),
        ({"rtmp": RTMP}, "rtmp"),
        ({"websocket": "wss://a.example/x"}, "websocket"),
    ],
)
def test_what_egress_refuses_is_refused_in_the_form_with_the_reason(add_profile, values, field):
    found = errors(add_profile(**values))
    assert list(found) == [field]
    assert not RecordingProfile.objects.exists()


def test_what_our_egress_has_more_is_allowed(add_profile, settings):
    settings.EGRESS_FEATURES = frozenset({"aac"})
    assert add_profile(format="hls", rtmp=RTMP).status_code == 302


def test_a_project_has_one_profile(add_profile):
    project = make_project()
    make_profile(project, name="First")
    found = errors(add_profile(projects=[project.pk]))
    assert "“First” already" in found["projects"][0]
    with pytest.raises(IntegrityError), transaction.atomic():
        make_profile(project, name="Second")


def test_live_addresses_are_sealed_and_never_shown(add_profile, admin_client, settings):
    settings.EGRESS_FEATURES = frozenset({"aac"})
    add_profile(format="hls", rtmp=RTMP)
    profile = RecordingProfile.objects.get()
    assert STREAM_KEY not in profile.sealed_rtmp
    assert stores.addresses(profile.sealed_rtmp) == (RTMP,)
    url = reverse("admin:recordings_recordingprofile_change", args=[profile.pk])
    page = admin_client.get(url)
    assert "rtmp://live.example.org" in page.content.decode()
    assert STREAM_KEY not in page.content.decode()
    history = admin_client.get(
        reverse("admin:recordings_recordingprofile_history", args=[profile.pk])
    )
    assert STREAM_KEY not in history.content.decode()
    data = shown(page)
    assert admin_client.post(url, data).status_code == 302
    assert stores.addresses(RecordingProfile.objects.get().sealed_rtmp) == (RTMP,)
    assert admin_client.post(url, data | {"forget_live": "on"}).status_code == 302
    profile = RecordingProfile.objects.get()
    assert (profile.sealed_rtmp, profile.live_hosts) == ("", "")


@pytest.mark.parametrize("address", ["http://a/app", "rtmp://", f"file:///{STREAM_KEY}", "rtmp:x"])
def test_a_malformed_live_address_is_refused_without_being_repeated(add_profile, address):
    answer = add_profile(rtmp=address)
    assert "rtmp" in errors(answer)
    told = answer.context["adminform"].form.errors.as_text()
    assert STREAM_KEY not in told


def test_projects_are_taken_out_again(admin_client):
    project = make_project()
    profile = make_profile(project)
    url = reverse("admin:recordings_recordingprofile_change", args=[profile.pk])
    assert admin_client.get(url).context["adminform"].form["projects"].value() == [project.pk]
    data = shown(admin_client.get(url)) | {"projects": []}
    assert admin_client.post(url, data).status_code == 302
    assert not ProfileUse.objects.exists()


# --- the form of a store ------------------------------------------------------------------------


@pytest.fixture
def add_store(admin_client):
    def add(**values):
        data = {
            "name": "Far", "endpoint": "https://s3.example.org", "public_endpoint": "",
            "region": "eu-1", "bucket": "far-calls", "path_style": "on", "access_key": "AK",
            "secret": SECRET, "role_arn": "", "encryption": "", "kms_key": "",
            "layout": "{project}/{yyyy}/{mm}/{dd}/{call}",
        } | values  # fmt: skip
        return admin_client.post(reverse("admin:recordings_store_add"), data)

    return add


def test_the_secret_of_a_store_is_sealed_and_never_shown(add_store, admin_client):
    assert add_store().status_code == 302
    store = Store.objects.get()
    assert SECRET not in store.sealed_secret
    assert stores.place_of(store).secret_key == SECRET
    assert SECRET not in repr(stores.place_of(store))
    page = admin_client.get(reverse("admin:recordings_store_change", args=[store.pk]))
    assert SECRET not in page.content.decode()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"secret": ""}, "secret"),
        ({"endpoint": "s3.example.org"}, "endpoint"),
        ({"endpoint": "https://me:x@s3.example.org"}, "endpoint"),
        ({"endpoint": "https://s3.example.org/path"}, "endpoint"),
        ({"public_endpoint": "ftp://s3.example.org"}, "public_endpoint"),
        ({"bucket": "Far Calls"}, "bucket"),
        ({"role_arn": "egress"}, "role_arn"),
        ({"kms_key": "key"}, "kms_key"),
        ({"layout": "{project}/x"}, "layout"),
        ({"layout": "{caller}/{call}"}, "layout"),
    ],
    ids=str,
)
def test_a_store_which_cannot_be_used_is_refused(add_store, values, field):
    assert list(errors(add_store(**values))) == [field]


def test_a_store_with_recordings_in_it_stays_where_it_is(admin_client, settings, bucket):
    store = make_store(settings)
    project = make_project()
    make_profile(project, store=store)
    plan = make_plan(project)
    call = make_call(room=ROOM, project=project, plan_digest=plan.digest)
    services.want_recording(call_id=call.pk, now=NOW)
    assert Recording.objects.get().store == store
    url = reverse("admin:recordings_store_change", args=[store.pk])
    data = shown(admin_client.get(url))
    assert (
        "Add another store"
        in errors(admin_client.post(url, data | {"bucket": "other"}))["bucket"][0]
    )
    assert admin_client.post(url, data | {"name": "Renamed"}).status_code == 302


def test_a_store_is_tried_and_its_words_are_kept(admin_client, settings, monkeypatch):
    """The whole of it against a real one: tests/contract/test_stores.py."""
    store, tried = make_store(settings), []

    def away(place):
        tried.append(place)
        fake = FakeBucket()
        fake.away = True
        return fake

    monkeypatch.setattr(wiring, "bucket_at", away)
    url = reverse("admin:recordings_store_change", args=[store.pk])
    data = shown(admin_client.get(url)) | {"recordings_store_try_store": "1"}
    answer = admin_client.post(url, data, follow=True)
    assert "does not answer" in answer.content.decode()
    store.refresh_from_db()
    assert (store.trial_ok, len(tried)) == (False, 1)
    assert "does not answer" in store.trial
    assert SECRET not in answer.content.decode()


def test_new_keys_seal_stores_and_live_addresses_too(settings):
    old, new = settings.SEAL_KEYS[0], seal.new_key()
    make_store(settings)
    make_profile(sealed_rtmp=seal.seal(RTMP, keys=[old]))
    settings.SEAL_KEYS = [new, old]
    rotate(now=NOW)
    settings.SEAL_KEYS = [new]
    assert stores.place_of(Store.objects.get()).secret_key == SECRET
    assert stores.addresses(RecordingProfile.objects.get().sealed_rtmp) == (RTMP,)


# --- calls --------------------------------------------------------------------------------------


@pytest.fixture
def livekit(monkeypatch, bucket, clock) -> EgressGateway:
    """A call rings; hooks are lost, the sweep has to do."""
    fake = EgressGateway(bucket, post_hook=lambda body: None, now=NOW + timedelta(seconds=1))
    fake.ring(ROOM, at=NOW)
    monkeypatch.setattr(telephony_wiring, "gateway", lambda: fake)
    return fake


@pytest.fixture
def ring(livekit, settings):
    def ring(**profile) -> Recording:
        project = make_project(recorder="egress")
        make_profile(project, **profile)
        plan = make_plan(project)
        call = make_call(room=ROOM, project=project, plan_digest=plan.digest)
        with suppress(Retry):
            tasks.want_recording.delay(call_id=call.pk)
        return Recording.objects.get()

    return ring


def hang_up(call_id: int) -> None:
    telephony.move_call(room=ROOM, to=CallState.TALKING, at=NOW + timedelta(seconds=1))
    telephony.move_call(room=ROOM, to=CallState.ENDED, at=NOW + timedelta(seconds=9))
    tasks.stop_recording.delay(recording_id=Recording.objects.get().pk)
    tasks.sweep.delay()


@pytest.mark.parametrize(
    ("profile", "message", "extension", "content_type"),
    [
        ({}, "StartEgressRequest", "ogg", "audio/ogg"),
        ({"format": "mp4"}, "StartEgressRequest", "mp4", "video/mp4"),
        ({"channels": "mixed", "format": "mp3"}, "RoomCompositeEgressRequest", "mp3", "audio/mpeg"),
        ({"kind": "track", "channels": "mixed"}, "TrackEgressRequest", "ogg", "audio/ogg"),
        (
            {"kind": "track_composite", "channels": "mixed"},
            "TrackCompositeEgressRequest", "ogg", "audio/ogg",
        ),
        (
            {"kind": "participant", "channels": "mixed", "video": True, "format": "mp4"},
            "ParticipantEgressRequest", "mp4", "video/mp4",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_each_kind_is_recorded_as_its_profile_says(
    ring, livekit, bucket, profile, message, extension, content_type
):
    recording = ring(**profile)
    assert recording.state == "running"
    [request] = livekit.egress_requests.values()
    assert type(request).__name__ == message
    hang_up(recording.call_id)
    recording.refresh_from_db()
    key = f"shop/2026/11/21/{ROOM}.{extension}"
    assert (recording.state, recording.object_key, recording.content_type) == (
        "stored", key, content_type,
    )  # fmt: skip
    assert bucket.objects == {key: SOUND}


def test_a_profiles_store_gets_the_recording_under_its_own_names(
    ring, livekit, settings, monkeypatch, bucket
):
    far = FakeBucket()
    livekit.buckets["far-calls"] = far
    monkeypatch.setattr(wiring, "bucket_at", lambda place: far)
    recording = ring(store=make_store(settings, layout="{yyyy}/{call}", encryption="AES256"))
    hang_up(recording.call_id)
    recording.refresh_from_db()
    assert (recording.state, recording.object_key) == ("stored", f"2026/{ROOM}.ogg")
    assert (set(far.objects), bucket.objects) == ({f"2026/{ROOM}.ogg"}, {})
    assert far.protected == [f"2026/{ROOM}.ogg"]  # egress cannot ask for encryption itself
    assert "store.invalid" in services.playable_url(recording=recording, bucket=bucket)


def test_a_caller_without_sound_yet_is_waited_for(ring, livekit):
    livekit.callers_have_sound = False
    recording = ring(kind="track", channels="mixed")
    assert (recording.state, "no sound" in recording.error) == ("wanted", True)
    livekit.callers_have_sound = True
    tasks.sweep.delay()
    assert Recording.objects.get().state == "running"


def test_a_live_websocket_goes_beside_the_recording_and_ends_with_it(ring, livekit, settings):
    address = seal.seal("wss://live.example.org/x", keys=settings.SEAL_KEYS)
    recording = ring(kind="track", channels="mixed", sealed_websocket=address)
    assert livekit.starts == 2
    hang_up(recording.call_id)
    assert [(p.object_key != "", p.state) for p in RecordingPart.objects.order_by("n")] == [
        (True, "stored"), (False, "sent"),
    ]  # fmt: skip
    assert Recording.objects.get().state == "stored"


def test_a_live_address_nobody_can_open_is_said_without_the_address(ring, livekit, settings):
    recording = ring(kind="track", channels="mixed", sealed_websocket="not sealed by us")
    assert recording.state == "failed"
    assert "SEAL_KEY" in recording.error


def test_hls_is_stored_when_all_its_pieces_are_there(ring, livekit, bucket, settings):
    livekit.egress_features = frozenset({"aac"})
    recording = ring(format="hls")
    assert recording.object_key.endswith(".m3u8")
    stem = recording.object_key.removesuffix(".m3u8")
    listed = f"#EXTM3U\n#EXTINF:6.0,\n{ROOM}_00000.ts\n#EXTINF:2.1,\n{ROOM}_00001.ts\n"
    egress_id = recording.egress_id
    bucket.objects[f"{stem}_00000.ts"] = b"a" * 600
    livekit.complete(egress_id, body=listed.encode())
    tasks.sweep.delay()
    assert "_00001.ts is not in the bucket" in RecordingPart.objects.get().note
    bucket.objects[f"{stem}_00001.ts"] = b"b" * 200
    hang_up(recording.call_id)
    tasks.recover_egress.delay()
    part = RecordingPart.objects.get()
    assert (part.state, part.size) == ("stored", 800 + len(listed))


def test_the_worker_of_a_project_with_a_store_delivers_there(settings, monkeypatch, bucket):
    far = FakeBucket()
    monkeypatch.setattr(wiring, "bucket_at", lambda place: far)
    project = make_project()
    make_profile(project, store=make_store(settings, layout="w/{call}"))
    call = make_call(room=ROOM, project=project, plan_digest=make_plan(project).digest)
    facts = {
        "sha256": "0" * 64, "size": 4, "duration_ms": 1, "starts_ms": 0,
        "content_type": "audio/ogg",
    }  # fmt: skip
    recording, link = services.offer_upload(call_id=call.pk, facts=facts, bucket=bucket, now=NOW)
    assert (recording.object_key, str(recording.store)) == (f"w/{ROOM}.ogg", "Far")
    assert link
    assert f"w/{ROOM}.ogg" in link.url
    assert bucket.objects == {}


def test_hls_is_played_with_a_signed_address_for_each_piece(ring, livekit, bucket, admin_client):
    livekit.egress_features = frozenset({"aac"})
    recording = ring(format="hls")
    stem = recording.object_key.removesuffix(".m3u8")
    bucket.objects[f"{stem}_00000.ts"] = b"a" * 600
    listed = f"#EXTM3U\n#EXTINF:6.0,\n{ROOM}_00000.ts\n#EXT-X-ENDLIST\n"
    livekit.complete(recording.egress_id, body=listed.encode())
    tasks.sweep.delay()
    played = admin_client.get(reverse("recordings:play", args=[recording.pk]))
    assert played["Content-Type"] == "application/vnd.apple.mpegurl"
    lines = played.content.decode().splitlines()
    assert [lines[0], lines[1], lines[3]] == ["#EXTM3U", "#EXTINF:6.0,", "#EXT-X-ENDLIST"]
    assert bucket.request("GET", lines[2]).body == b"a" * 600
    stored = Recording.objects.get()
    assert set(stores.objects_of(stored, bucket=bucket)) == set(bucket.objects)


@pytest.mark.parametrize("page", ["store", "recordingprofile"])
def test_an_empty_page_says_what_comes_without_a_row(admin_client, page):
    shown = admin_client.get(reverse(f"admin:recordings_{page}_changelist")).content.decode()
    assert {"store": "store of the environment", "recordingprofile": "Without a profile"}[
        page
    ] in shown
