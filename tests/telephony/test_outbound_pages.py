"""The desk for calls we make: one call, batches, and what a supervisor is told."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile

from telephony import batches, outbound
from telephony.models import Batch, DestinationRule, DoNotCall, OutboundCall
from tests.telephony.test_outbound import CALLEE, MONDAY, after, line  # noqa: F401

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def desk(client, line, livekit, monkeypatch):  # noqa: F811
    """A supervisor's browser; it is Monday."""
    User.objects.create_superuser("ann", password="x")
    client.login(username="ann", password="x")
    for module in ("admin_outbound", "forms_outbound"):
        monkeypatch.setattr(f"telephony.{module}.timezone.now", lambda: MONDAY)
    return client


@pytest.fixture
def open_to_202(db):
    return DestinationRule.objects.create(prefix="+1202")


def wish(line: Any, **more: Any) -> dict[str, Any]:  # noqa: F811
    project, trunk = line
    return {"project": project.pk, "trunk": trunk.pk, "to": "+1 202 555 0123", **more}


PAGE = "/admin/telephony/outboundcall/call/"


def test_the_page_says_why_a_call_is_not_allowed(desk, line):  # noqa: F811
    assert "Nobody is called yet" in desk.get(PAGE).text
    page = desk.post(PAGE, wish(line)).text
    assert "nothing is allowed by itself" in page
    assert not OutboundCall.objects.exists()


def test_a_call_is_made_after_it_was_asked_twice(desk, line, open_to_202):  # noqa: F811
    page = desk.post(PAGE, wish(line, caller_id="+12025550101")).text
    assert "Call +1 202-555-0123?" in page
    assert "showing +12025550101" in page
    assert not OutboundCall.objects.exists()
    answer = desk.post(PAGE, wish(line, confirmed="yes"), follow=True).text
    row = OutboundCall.objects.get()
    assert (row.to, row.requested_by) == (CALLEE, "ann")
    assert "Queued." in answer


def test_whoever_may_only_look_cannot_call(client, line, open_to_202):  # noqa: F811
    bob = User.objects.create_user("bob", password="x", is_staff=True)
    bob.user_permissions.add(Permission.objects.get(codename="view_outboundcall"))
    client.login(username="bob", password="x")
    assert client.get("/admin/telephony/outboundcall/").status_code == 200
    assert client.post(PAGE, wish(line, confirmed="yes")).status_code == 403


def test_the_list_says_what_became_of_calls(desk, line, open_to_202, django_assert_max_num_queries):  # noqa: F811
    for n in range(3):
        row = outbound.request_call(
            to=CALLEE, project_id=line[0].pk, by="<b>ann</b>", now=MONDAY
        )  # fmt: skip
        OutboundCall.objects.filter(pk=row.pk).update(
            state="failed", outcome="busy", words=f"The line was busy. (SIP 486) {n}"
        )
    with django_assert_max_num_queries(14):
        page = desk.get("/admin/telephony/outboundcall/").text
    assert page.count("The line was busy. (SIP 486)") == 3
    assert "&lt;b&gt;ann" in page


def upload(desk: Any, line: Any, text: str, **more: Any) -> Any:  # noqa: F811
    project, trunk = line
    file = SimpleUploadedFile("list.csv", text.encode())
    data = {"name": "Autumn", "project": project.pk, "trunk": trunk.pk, "per_minute": 60,
            "caller_id": "", "window": "", "file": file, **more}  # fmt: skip
    return desk.post("/admin/telephony/batch/add/", data, follow=True)


FILE = """number;name
+1 202 555 0123;Ann
+12025550124;Bob
+12025550123;Ann again
112;Nobody
+19005550100;Premium
+12025550125;Listed
"""


def test_a_file_becomes_a_draft_which_says_what_is_wrong_with_each_line(desk, line, open_to_202):  # noqa: F811
    DoNotCall.objects.create(number="+12025550125")
    page = upload(desk, line, FILE).text
    batch = Batch.objects.get()
    assert (batch.state, batch.report["good"], batch.report["bad"]) == ("draft", 2, 4)
    assert [number for number, _ in batch.report["errors"]] == [4, 5, 6, 7]
    for words in ("in line 2 already", "112", "nothing is allowed", "do-not-call list"):
        assert words in page
    assert list(batch.calls.order_by("pk").values_list("to", "variables")) == [
        (CALLEE, {"name": "Ann"}), ("+12025550124", {"name": "Bob"}),
    ]  # fmt: skip
    assert outbound.due(now=after(60)) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("phone\n+12025550123\n", "one of them “number”"),
        ("number,a b\n+12025550123,1\n", "cannot be a column"),
        ("number,number\n1,2\n", "same name"),
        ("number\n" + "+12025550123\n" * 10_001, "more than 10000 lines"),
    ],
)
def test_a_file_which_cannot_be_read_is_refused(desk, line, text, words):  # noqa: F811
    assert words in upload(desk, line, text).text
    assert not Batch.objects.exists()


def test_a_batch_asks_and_can_be_paused_and_called_off(desk, line, livekit, open_to_202):  # noqa: F811
    upload(desk, line, FILE)
    batch = Batch.objects.get()
    page = f"/admin/telephony/batch/{batch.pk}/do"
    assert "takes money" in desk.get(f"{page}/start/").text
    desk.post(f"{page}/start/")
    first, second, _ = outbound.due(now=after(1))
    outbound.place(outbound_id=first, now=after(1), gateway=livekit)
    desk.post(f"{page}/pause/")
    assert outbound.due(now=after(60)) == []
    outbound.place(outbound_id=second, now=after(60), gateway=livekit)
    assert len(livekit.rooms) == 1
    desk.post(f"{page}/cancel/")
    batch.refresh_from_db()
    assert batch.state == "cancelled"
    assert set(batch.calls.values_list("outcome", flat=True)) == {"cancelled"}
    assert not batches.start(batch_id=batch.pk)


def test_a_batch_is_done_when_nothing_is_left_to_do(desk, line, livekit, open_to_202):  # noqa: F811
    upload(desk, line, FILE)
    batch = Batch.objects.get()
    batches.start(batch_id=batch.pk)
    DestinationRule.objects.all().delete()
    for pk in batch.calls.values_list("pk", flat=True):
        batch.refresh_from_db()
        assert batch.state == "running"
        outbound.place(outbound_id=pk, now=after(1), gateway=livekit)
    batch.refresh_from_db()
    assert (batch.state, len(livekit.rooms)) == ("done", 0)


def test_a_draft_can_be_thrown_away_and_history_cannot(desk, line, open_to_202):  # noqa: F811
    upload(desk, line, FILE)
    page = f"/admin/telephony/batch/{Batch.objects.get().pk}/delete/"
    Batch.objects.update(state="running")
    assert desk.post(page, {"post": "yes"}).status_code == 403
    Batch.objects.update(state="draft")
    assert desk.post(page, {"post": "yes"}).status_code == 302
    assert not OutboundCall.objects.exists()


def test_a_batch_keeps_its_pace(desk, line, livekit, open_to_202):  # noqa: F811
    upload(desk, line, FILE, per_minute=6)
    batch = Batch.objects.get()
    batches.start(batch_id=batch.pk)
    ids = list(batch.calls.values_list("pk", flat=True))
    Batch.objects.filter(pk=batch.pk).update(free_at=after(0).timestamp())
    for pk in ids:
        outbound.place(outbound_id=pk, now=after(1), gateway=livekit)
    assert len(livekit.rooms) == 1
    for pk in ids:
        outbound.place(outbound_id=pk, now=after(12), gateway=livekit)
    assert len(livekit.rooms) == 2


@pytest.mark.parametrize(
    ("model", "values", "words"),
    [
        ("destinationrule", {"prefix": "0049", "price_per_minute": "0.1"}, "is no prefix"),
        ("donotcall", {"number": "12"}, "cannot be used"),
    ],
)
def test_what_is_typed_wrong_is_said(desk, model, values, words):
    assert words in desk.post(f"/admin/telephony/{model}/add/", values).text
