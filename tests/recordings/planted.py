"""Values of one caller, planted by every way a call takes through the product."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore

from agents import seal
from recordings import services
from recordings.models import Recording
from telephony import subscribing, tasks
from telephony.models import (
    ApiKey,
    Batch,
    Call,
    CallerRule,
    CarrierHook,
    Delivery,
    DoNotCall,
    IdempotentAnswer,
    OutboundCall,
    Subscription,
)
from tests import carriers, hooks
from tests.factories import NOW, make_line, make_plan, make_trunk
from tests.recordings.conftest import ANSWERED, JOB, ROOM, closed, opened, story, turn

NUMBER = "+12025550123"
WORDS = "Zanzibarquokka"  # what he said
VALUES = (NUMBER, "12025550123", "2025550123", "+1 202-555-0123", "(202) 555-0123", WORDS)
SOUND = b"OggS" + b"sound of " + WORDS.encode() + bytes(range(256)) * 10
OTHER = "+12025550199"
THEIRS = b"OggS of somebody else"


def facts(room: str = ROOM, job: str = JOB, sound: bytes = SOUND) -> dict[str, Any]:
    return {
        "room": room, "journal": job, "sha256": hashlib.sha256(sound).hexdigest(),
        "size": len(sound), "duration_ms": 4000, "starts_ms": 1000, "content_type": "audio/ogg",
    }  # fmt: skip


def journal(plan: str = "", room: str = ROOM, **told: str) -> list[dict[str, Any]]:
    entries = story(
        opened(plan=plan, room=room, **told), ANSWERED, ("recording", {}),
        turn("agent", "Hello, this is the shop.", 2000),
        turn("caller", f"My name is {WORDS}, call me at (202) 555-0123", 3000),
        ("tool", {"name": "lookup", "detail": WORDS}),
        closed(),
    )  # fmt: skip
    return [entry.to_dict() for entry in entries]


class Way:
    """Posts as LiveKit, carriers and workers do."""

    def __init__(self, client: Any, post: Any, bucket: Any) -> None:
        self.client, self.post, self.bucket = client, post, bucket

    def ship(self, entries: list[dict[str, Any]], *, room: str = ROOM, job: str = JOB) -> Any:
        return self.post("journal", json.dumps({"journal": job, "room": room, "entries": entries}))

    def offer(self, **changes: Any) -> Any:
        return self.post("recordings", json.dumps(facts(**changes)))

    def put(self, offer: Any, sound: bytes = SOUND) -> int:
        upload = offer.json()["upload"]
        headers = upload["headers"]
        status: int = self.bucket.request("PUT", upload["url"], body=sound, headers=headers).status
        return status

    def report(self, offer: Any) -> Any:
        return self.post(f"recordings/{offer.json()['id']}/uploaded", "{}")

    def hook(self, name: str, **changes: Any) -> None:
        assert hooks.post(self.client, hooks.captured(name, **changes)).status_code == 204
        tasks.handle_waiting()

    def carrier(self, hook: CarrierHook, name: str) -> None:
        assert carriers.post(self.client, hook, carriers.payload(name)).status_code == 200
        tasks.handle_waiting()


def plant(way: Way, log: Path, *, receiver: str = "https://example.com/hook") -> Call:
    """Two calls of one caller, one of another, and everything which names the first."""
    plan = make_plan()
    make_trunk(remote_id="ST_ts3Vz4Vp8XvX")
    hook = Subscription(
        name="Their CRM", url=receiver, events=["call.started", "call.ended", "call.answered"],
        created_at=NOW,
    )  # fmt: skip
    subscribing.give_secret(hook, now=NOW)
    hook.save()
    # a call by worker and store
    assert way.ship(journal(plan.digest)).status_code == 200
    call = Call.objects.get(room=ROOM)
    services.want_recording(call_id=call.pk, now=NOW)
    offer = way.offer()
    assert way.put(offer) == 200
    assert way.report(offer).json() == {"state": "stored"}
    Recording.objects.update(stored_at=NOW - timedelta(days=1))
    way.bucket.objects[f"shop/2026/11/21/{ROOM}_00001.ts"] = b"a piece of the same"
    # another by LiveKit's and the carrier's hooks
    for name in ("room_started", "caller_participant_joined", "caller_track_published",
                 "caller_participant_left", "room_finished"):  # fmt: skip
        way.hook(name)
    twilio = carriers.make_hook("twilio")
    way.carrier(twilio, "twilio/status_completed")
    Delivery.objects.filter(event__call=call).update(delivered_at=NOW)
    _rows(call, plan.project)
    # somebody else's, which must stay
    other = "call_+12025550199_xyz"
    entries = journal(plan.digest, room=other, caller=OTHER)
    for entry in entries:
        if entry["kind"] in {"turn", "tool"}:
            entry["data"] |= {"text": "Somebody else", "detail": ""}
    assert way.ship(entries, room=other, job="AJ_other").status_code == 200
    assert way.put(way.offer(room=other, job="AJ_other", sound=THEIRS), THEIRS) == 200
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(
        f'{{"room": "{ROOM}", "msg": "invite"}}\nnothing\nFrom: <sip:{NUMBER}@203.0.113.7>\n'
        f'{{"caller": "{OTHER}"}}\n'
    )
    return call


def _rows(call: Call, project: Any) -> None:
    ann = User.objects.create_user("planter", is_staff=True)
    CallerRule.objects.create(digits="12025550123", note="rude")
    CallerRule.objects.create(digits="12025550188", note=f"same man as {NUMBER}")
    DoNotCall.objects.create(number=NUMBER, reason="asked for it")
    line = make_line()
    batch = Batch.objects.create(
        name="May", project=project, trunk=line, created_at=NOW, state="done",
        report={"good": 1, "bad": 1, "errors": [f"line 3: +1 202-555-0123 {'is listed'}"]},
    )  # fmt: skip
    for state, to in (("waiting", NUMBER), ("done", NUMBER), ("done", OTHER)):
        OutboundCall.objects.create(
            to=to, project=project, trunk=line, caller_id="+12025550111", batch=batch, state=state,
            variables={"name": WORDS if to == NUMBER else "Bob"}, next_at=NOW, requested_at=NOW,
        )  # fmt: skip
    LogEntry.objects.create(
        user=ann, content_type=ContentType.objects.get_for_model(Call), object_id=str(call.pk),
        object_repr=str(call), action_flag=CHANGE, change_message="of 2025550123",
    )  # fmt: skip
    key = ApiKey.objects.create(name="crm", prefix="cc_1", digest="x", created_at=NOW)
    answer = json.dumps({"caller": NUMBER})
    IdempotentAnswer.objects.create(
        api_key=key, idempotency_key="k", fingerprint="f", created_at=NOW,
        sealed_answer=seal.seal(answer, keys=settings.SEAL_KEYS),
    )  # fmt: skip
    session = SessionStore()
    session["connect"] = {"number": NUMBER}
    session.save()
