"""Who may see, read and hear what, and that it is written down."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from recordings import access, access_log, storage, storage_bulk
from recordings.access_log import What
from recordings.models import AccessLog, CallerRequest, Recording, Transcript
from recordings.models_keeping import AppendOnly
from telephony.models import ApiKey, Call, ProjectLimit
from tests.factories import NOW, make_call, make_project
from tests.fakes.bucket import lifetime_s
from tests.recordings.planted import NUMBER

pytestmark = [pytest.mark.db, pytest.mark.django_db]


SAID = "My secret is Quokka"


@pytest.fixture
def roles(db):
    call_command("makeroles", verbosity=0)


def person(role: str, name: str = "") -> User:
    user = User.objects.create_user(name or f"a {role}", is_staff=True)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


def as_one(client, role: str) -> Any:
    client.force_login(person(role))
    return client


@pytest.fixture
def call(bucket) -> Call:
    """With a transcript, and a recording in the store."""
    call = make_call(
        room="call_+12025550123_a", caller=NUMBER, state="ended", ended_at=NOW,
        project=make_project(),
    )  # fmt: skip
    said = {"who": "caller", "text": SAID, "start_ms": 0, "end_ms": 9, "via": "",
            "interrupted": False, "latency": {}}  # fmt: skip
    Transcript.objects.create(call=call, text=SAID, segments=[said], built_at=NOW)
    key = f"shop/{call.room}.ogg"
    bucket.objects[key] = b"OggS"
    Recording.objects.create(
        call=call, recorder="worker", state="stored", object_key=key, size=4, created_at=NOW,
        stored_at=NOW,
    )  # fmt: skip
    return call


def call_page(client, call: Call) -> Any:
    return client.get(reverse("admin:telephony_call_change", args=[call.pk]))


def play(client, call: Call) -> Any:
    return client.get(reverse("recordings:play", args=[call.recording.pk]))


def logged() -> list[tuple[str, str, int | None]]:
    return list(AccessLog.objects.order_by("pk").values_list("who", "what", "call"))


# --- roles ----------------------------------------------------------------------------------------

# role: sees calls, reads, hears
MAY = {
    "reviewer": (200, True, 302),
    "supervisor": (200, True, 302),
    "administrator": (200, True, 302),
    "auditor": (200, False, 403),
    "": (403, False, 403),
}


@pytest.mark.parametrize("role", MAY)
def test_who_sees_reads_and_hears_a_call(client, roles, call, role):
    as_one(client, role)
    sees, reads, hears = MAY[role]
    page = call_page(client, call)
    assert page.status_code == sees
    assert ("Quokka" in page.content.decode()) is reads
    assert ("<audio" in page.content.decode()) is (hears == 302)
    fragment = client.get(reverse("recordings:fragment", args=[call.pk]))
    assert (fragment.status_code, "Quokka" in fragment.content.decode()) == (sees, reads)
    assert play(client, call).status_code == hears


# pages (app.model) which a role sees; every other page of the admin is closed to it
REVIEWER = {"telephony.call", "agents.project"}
AUDITOR = {
    "telephony.call", "telephony.legalhold", "recordings.accesslog", "recordings.callerrequest",
    "recordings.keeprule",
}  # fmt: skip
# what a supervisor does not see; an administrator sees everything
NOT_SUPERVISOR = {
    "auth.user", "auth.group", "telephony.apikey", "telephony.subscription",
    "telephony.inboundevent", "telephony.projectlimit", "recordings.accesslog",
}  # fmt: skip
OF_REVIEWERS = {"review", "remark", "tag", "calltag", "sharelink", "spokenturn", "callinsight",
                "fieldvalue"}  # fmt: skip


def pages() -> dict[str, str]:
    return {
        model._meta.label_lower: reverse(
            f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        )
        for model in admin.site._registry
    }


def seen(client) -> set[str]:
    statuses = {label: client.get(url).status_code for label, url in pages().items()}
    assert set(statuses.values()) <= {200, 403}, statuses
    return {label for label, status in statuses.items() if status == 200}


def test_a_reviewer_sees_calls_and_what_is_written_about_them(client, roles, bucket):
    found = seen(as_one(client, "reviewer"))
    assert {one for one in found if one.split(".")[1] not in OF_REVIEWERS} == REVIEWER


def test_an_auditor_sees_what_was_done_and_nothing_that_was_said(client, roles, bucket):
    assert seen(as_one(client, "auditor")) == AUDITOR


def test_a_supervisor_runs_everything_but_keys_users_and_the_log(client, roles, bucket):
    assert set(pages()) - seen(as_one(client, "supervisor")) == NOT_SUPERVISOR


def test_an_administrator_sees_every_page(client, roles, bucket):
    assert seen(as_one(client, "administrator")) == set(pages())


def test_whoever_is_in_no_group_sees_no_page(client, roles):
    assert seen(as_one(client, "")) == set()


def addresses(patterns: Any, before: str = "") -> list[tuple[str, str]]:
    """Every address of the admin, with 1 for what it takes."""
    found: list[tuple[str, str]] = []
    for one in patterns:
        if isinstance(one, URLResolver):
            found += addresses(one.url_patterns, before + str(one.pattern))
        elif isinstance(one, URLPattern) and one.name:
            found.append((before + str(one.pattern), one.name))
    return found


OPEN = {"index", "login", "logout", "password_change", "password_change_done", "jsi18n",
        "app_list", "search", "autocomplete", "toggle_sidebar", "catch_all",
        "telephony_schedule_preview"}  # fmt: skip


@pytest.mark.parametrize("role", ["auditor", "reviewer"])
def test_nothing_can_be_changed_by_who_only_looks(client, roles, bucket, call, role):
    """Every address of the admin which adds, changes, deletes or does something."""
    as_one(client, role)
    urls = addresses(get_resolver().url_patterns)
    asked = 0
    for pattern, name in urls:
        if not pattern.startswith("admin/") or name in OPEN:
            continue
        label = pattern.removeprefix("admin/").split("/")[0:2]
        if role == "reviewer" and label[-1] in OF_REVIEWERS:
            continue
        if name.endswith(("_changelist", "_change", "_history", "_what_if")):
            continue
        url = "/" + pattern
        for piece in ("<path:object_id>", "<int:pk>", "<path:pk>", "<str:object_id>"):
            url = url.replace(piece, str(call.pk))
        if "<" in url or "(" in url or "^" in url:
            continue
        asked += 1
        status = client.post(url, {"post": "yes"}).status_code
        assert status in {403, 404, 405}, f"{role} may POST to {url} ({status})"
    assert asked > 60


def test_the_groups_are_made_so_again(roles):
    group = Group.objects.get(name="auditor")
    before = set(group.permissions.values_list("codename", flat=True))
    group.permissions.clear()
    call_command("makeroles", verbosity=0)
    assert set(group.permissions.values_list("codename", flat=True)) == before != set()
    assert Group.objects.count() == 4


# --- limits to projects ---------------------------------------------------------------------------


def test_a_limited_user_sees_calls_of_his_projects_only(client, roles, call, bucket):
    user = person("supervisor")
    other = make_project(slug="other", name="Other", faq=False)
    theirs = make_call(room="call_2_b", caller="+12025550177", state="ended", ended_at=NOW,
                       project=other)  # fmt: skip
    ProjectLimit.objects.create(user=user).projects.add(other)
    client.force_login(user)
    html = client.get(reverse("admin:telephony_call_changelist")).content.decode()
    assert ("202-555-0177" in html, "202-555-0123" in html) == (True, False)
    assert call_page(client, theirs).status_code == 200
    assert call_page(client, call).status_code == 302
    assert client.get(reverse("recordings:fragment", args=[call.pk])).status_code == 404
    assert play(client, call).status_code == 404
    assert client.post(f"/admin/telephony/call/{call.pk}/hang-up/").status_code == 404
    assert list(Call.objects.filter(access.visible_calls(user))) == [theirs]


def test_without_a_limit_all_calls_are_seen_and_with_an_empty_one_none(roles, call):
    user = person("reviewer")
    assert Call.objects.filter(access.visible_calls(user)).count() == 1
    ProjectLimit.objects.create(user=user)
    assert Call.objects.filter(access.visible_calls(user)).count() == 0


def test_who_may_not_read_finds_no_call_and_programs_by_their_scope(roles, call):
    auditor = person("auditor")
    assert not Call.objects.filter(access.visible_calls(auditor)).exists()
    for scopes, count in ((["recordings:read"], 1), (["calls:read"], 0)):
        key = ApiKey(scopes=scopes)
        assert Call.objects.filter(access.visible_calls(key)).count() == count


# --- the log --------------------------------------------------------------------------------------


def test_reading_and_hearing_are_written_down(client, roles, call):
    as_one(client, "reviewer")
    call_page(client, call)
    play(client, call)
    assert logged() == [
        ("a reviewer", "transcript", call.pk), ("a reviewer", "play", call.pk),
    ]  # fmt: skip
    row = AccessLog.objects.select_related("user").latest("pk")
    assert row.user
    assert (row.address, row.user.username) == ("127.0.0.1", "a reviewer")


def test_what_was_not_shown_is_not_written_down(client, roles, call, bucket):
    as_one(client, "auditor")
    call_page(client, call)
    play(client, call)
    as_one_else = person("reviewer")
    client.force_login(as_one_else)
    bucket.away = True
    assert play(client, call).status_code == 503
    assert logged() == []


def test_a_page_which_refreshes_itself_is_one_look(client, roles, call):
    as_one(client, "reviewer")
    for _ in range(3):
        client.get(reverse("recordings:fragment", args=[call.pk]))
    assert len(logged()) == 1


def test_programs_are_written_down_by_the_name_of_their_key(client, call, settings):
    from telephony import keys

    key = ApiKey(name="crm", scopes=["recordings:read"])
    secret = keys.new_secret(key, by="ann", now=NOW)
    key.save()
    for part in ("transcript", "recording"):
        answer = client.get(
            f"/api/v1/calls/{call.pk}/{part}", headers={"Authorization": f"Bearer {secret}"}
        )
        assert answer.status_code == 200, answer.content
    assert logged() == [("api: crm", "transcript", call.pk), ("api: crm", "play", call.pk)]


def test_nobody_changes_the_log_not_even_a_superuser(admin_client, call):
    row = access_log.note(user=None, what=What.PLAY, call=call, who="ann", how="by hand")
    for verb in ("change", "delete"):
        url = reverse(f"admin:recordings_accesslog_{verb}", args=[row.pk])
        assert admin_client.post(url, {"who": "bob", "post": "yes"}).status_code == 403
    assert admin_client.post(reverse("admin:recordings_accesslog_add"), {}).status_code == 403
    for forbidden in (
        row.delete, row.save, AccessLog.objects.all().delete,
        lambda: AccessLog.objects.update(who="bob"),
    ):  # fmt: skip
        with pytest.raises(AppendOnly):
            forbidden()
    assert logged() == [("ann", "play", call.pk)]


def test_who_is_gone_stays_in_the_log(call):
    user = User.objects.create_user("ann")
    access_log.note(user=user, what=What.PLAY, call=call)
    user.delete()
    assert logged() == [("ann", "play", call.pk)]


def test_an_auditor_finds_by_person_call_and_kind(client, roles, call):
    for who, what in (("ann", "play"), ("bob", "transcript")):
        access_log.note(user=None, who=who, what=what, call=call)
    as_one(client, "auditor")
    url = reverse("admin:recordings_accesslog_changelist")
    shown = {
        query: [row.who for row in client.get(f"{url}?{query}").context["cl"].result_list]
        for query in ("", "q=ann", f"q={call.pk}", "what__exact=transcript", "q=4711")
    }
    assert shown == {
        "": ["bob", "ann"], "q=ann": ["ann"], f"q={call.pk}": ["bob", "ann"],
        "what__exact=transcript": ["bob"], "q=4711": [],
    }  # fmt: skip


def test_the_address_behind_a_proxy_is_the_clients(rf, settings, call):
    settings.API_PROXIES = 1
    request = rf.get("/", headers={"X-Forwarded-For": "198.51.100.7"})
    assert access_log.note(user=None, what=What.PLAY, call=call, request=request).address == (
        "198.51.100.7"
    )
    nonsense = rf.get("/", headers={"X-Forwarded-For": "unknown"})
    assert access_log.note(user=None, what=What.PLAY, call=call, request=nonsense).address is None


# --- links ----------------------------------------------------------------------------------------


def test_a_link_is_good_for_five_minutes_and_one_object(client, roles, call, bucket):
    as_one(client, "reviewer")
    url = play(client, call).headers["Location"]
    assert lifetime_s(url) <= 300
    assert call.recording.object_key in url
    assert storage.PLAY_LINK_S <= 300
    assert storage_bulk.DOWNLOAD_LINK_S <= 300


# --- the page of requests -------------------------------------------------------------------------

ASK = "/admin/recordings/callerrequest/ask/"


@pytest.fixture
def queued(monkeypatch) -> list[int]:
    told: list[int] = []
    monkeypatch.setattr(
        "recordings.tasks.work_request.delay", lambda *, request_id: told.append(request_id)
    )
    return told


def test_erasing_shows_what_is_here_asks_for_the_number_and_begins(
    admin_client, call, queued, django_capture_on_commit_callbacks
):
    assert admin_client.get(ASK).status_code == 200
    html = admin_client.post(ASK, {"number": "+1 202 555 0123", "what": "erase"}).content.decode()
    assert "What is here about +12025550123" in html
    assert "cannot be undone" in html
    assert not CallerRequest.objects.exists()
    wrong = {"number": NUMBER, "what": "erase", "confirmed": "+12025550124"}
    assert "another number" in admin_client.post(ASK, wrong).content.decode()
    assert not CallerRequest.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin_client.post(ASK, wrong | {"confirmed": NUMBER})
    row = CallerRequest.objects.get()
    assert answer.headers["Location"].endswith(f"/{row.pk}/change/")
    assert queued == [row.pk]
    assert logged() == [("admin", "erase", None)]
    page = admin_client.get(answer.headers["Location"]).content.decode()
    assert "0 of 1 calls" in page
    assert NUMBER not in page


@pytest.mark.parametrize("role", ["reviewer", "supervisor", "auditor"])
def test_only_administrators_may_erase(client, roles, call, role):
    as_one(client, role)
    confirmed = {"number": NUMBER, "what": "erase", "confirmed": NUMBER}
    assert client.post(ASK, confirmed).status_code == 403
    assert not CallerRequest.objects.exists()


def test_an_export_is_a_file_for_the_caller_and_goes_by_itself(
    admin_client, call, bucket, queued, django_capture_on_commit_callbacks
):
    import io
    import zipfile

    from recordings import requests

    confirmed = {"number": NUMBER, "what": "export", "confirmed": NUMBER}
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(ASK, confirmed)
    row = CallerRequest.objects.get()
    assert not requests.work(request_id=row.pk, bucket=bucket, now=row.next_at)
    row.refresh_from_db()
    assert (row.state, row.counts, row.sealed_number) == (
        "done", {"calls": 1, "recordings": 1}, "",
    )  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(bucket.objects[row.object_key])) as whole:
        assert whole.read(f"audio/{call.pk}.ogg") == b"OggS"
        told = json.loads(whole.read("caller.json"))
    assert told["calls"][0]["caller"] == NUMBER
    assert told["calls"][0]["recordings.transcript"][0]["text"] == "My secret is Quokka"
    url = reverse("admin:recordings_callerrequest_file", args=[row.pk])
    answer = admin_client.get(url)
    assert (answer.status_code, lifetime_s(answer.headers["Location"])) == (302, 300)
    assert logged()[-1] == ("admin", "download", None)
    requests.sweep(bucket=bucket, now=row.asked_at + timedelta(days=9))
    assert list(bucket.objects) == [call.recording.object_key]
    assert admin_client.get(url).status_code == 404


def test_words_of_other_places_fall_under_a_kind(call):
    row = access_log.note(user=None, what="share link opened", call=call, how="7", who="ann")
    assert (row.what, row.how) == ("share", "share link opened: 7")
    assert access_log.note(user=None, what="played", call=call, who="ann").what == "play"
