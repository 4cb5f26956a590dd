"""LiveKit's hooks are read as LiveKit's own SDK reads them, only faster."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from google.protobuf.json_format import MessageToJson
from livekit import api
from livekit.protocol.models import DisconnectReason

from telephony import translate, webhook
from tests import hooks

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 21, 10, 45, tzinfo=UTC)
KEY, SECRET = settings.LIVEKIT_API_KEY, settings.LIVEKIT_API_SECRET
CAPTURED = sorted(path.stem for path in hooks.PAYLOADS.glob("*.json"))


def read(body: bytes, authorization: str = "") -> dict[str, Any]:
    return webhook.verified(
        body, authorization or hooks.signature(body), now=NOW, key=KEY, secret=SECRET
    )


def as_the_sdk_reads_it(body: bytes) -> dict[str, Any]:
    receiver = api.WebhookReceiver(api.TokenVerifier(KEY, SECRET))
    event = receiver.receive(body.decode(), hooks.signature(body))
    told: dict[str, Any] = {"id": event.id, "event": event.event}
    if event.HasField("room"):
        told["room"] = {"name": event.room.name, "sid": event.room.sid}
        if event.room.creation_time:
            told["room"]["created_at"] = translate.room_created_at(event.room).isoformat()
    if event.HasField("participant"):
        who = event.participant
        told["participant"] = {
            "sid": who.sid, "identity": who.identity, "kind": translate.kind_name(who),
            "attributes": dict(who.attributes),
            "reason": DisconnectReason.Name(who.disconnect_reason).lower(),
        }  # fmt: skip
    return told


def same(body: bytes) -> bool:
    ours = read(body)
    del ours["at"]
    return ours == as_the_sdk_reads_it(body)


@pytest.mark.parametrize("name", CAPTURED)
def test_a_captured_hook_is_read_as_the_sdk_reads_it(name):
    assert same(hooks.captured(name))


KINDS = [kind for kind in api.ParticipantInfo.Kind.values() if kind]


@pytest.mark.parametrize("kind", [0, *KINDS])
@pytest.mark.parametrize("reason", [0, 1, 2, 14])
def test_every_kind_and_reason_is_read_as_the_sdk_reads_it(kind, reason):
    who = api.ParticipantInfo(
        sid="PA_1", identity="sip_1", kind=kind, disconnect_reason=reason,
        attributes={"sip.callID": "SCL_1", "quote": '"\\ é 😀'},
    )  # fmt: skip
    event = api.WebhookEvent(
        id="EV_1", event="participant_left", created_at=5, participant=who,
        room=api.Room(name="call_1", sid="RM_1", creation_time=1_795_257_896),
    )  # fmt: skip
    assert same(MessageToJson(event).encode())


def test_an_empty_room_and_participant_are_read_as_the_sdk_reads_them():
    event = api.WebhookEvent(
        id="EV_1", event="room_started", room=api.Room(), participant=api.ParticipantInfo()
    )
    assert same(MessageToJson(event).encode())


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": KEY},  # never ends
        {"iss": KEY, "exp": NOW - timedelta(days=1)},
        {"exp": datetime.now(UTC) + timedelta(minutes=5)},  # nobody's
        {"iss": "stranger", "exp": datetime.now(UTC) + timedelta(minutes=5)},
    ],
    ids=["without end", "over", "without issuer", "another issuer"],
)
def test_a_token_the_sdk_refuses_is_refused(claims):
    body = hooks.captured("room_started")
    sha256 = jwt.decode(hooks.signature(body), options={"verify_signature": False})["sha256"]
    token = jwt.encode(claims | {"sha256": sha256}, SECRET, algorithm="HS256")
    with pytest.raises(Exception):  # noqa: B017, PT011  # the SDK raises whatever it meets
        api.WebhookReceiver(api.TokenVerifier(KEY, SECRET)).receive(body.decode(), token)
    with pytest.raises(webhook.BadSignature):
        read(body, token)


def test_a_token_without_a_checksum_is_refused():
    token = api.AccessToken(KEY, SECRET).with_ttl(timedelta(minutes=5)).to_jwt()
    with pytest.raises(webhook.BadSignature):
        read(hooks.captured("room_started"), token)


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
def test_only_livekits_own_algorithm_is_taken(algorithm):
    body = hooks.captured("room_started")
    claims = jwt.decode(hooks.signature(body), options={"verify_signature": False})
    token = jwt.encode(claims, SECRET if algorithm != "none" else "", algorithm=algorithm)
    with pytest.raises(webhook.BadSignature):
        read(body, token)


@pytest.mark.parametrize("field", ["room", "participant", "egressInfo"])
@pytest.mark.parametrize("value", [None, [], "x", 7], ids=["null", "list", "text", "number"])
def test_an_event_of_another_shape_is_refused(field, value):
    body = json.dumps({"id": "EV_1", "event": "room_started", field: value}).encode()
    with pytest.raises(webhook.BadSignature):
        read(body)
