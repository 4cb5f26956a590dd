"""The pages about redaction: its rules, a place to try it, and the work on sound."""

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from recordings.models import AudioMask, Recording, RedactionRules
from tests.factories import NOW, make_call, make_project

pytestmark = [pytest.mark.db, pytest.mark.django_db]

LIST = "admin:recordings_redactionrules_changelist"


@pytest.fixture
def rules() -> RedactionRules:
    return RedactionRules.objects.create(project=make_project(), name_list="Zaphod")


@pytest.fixture
def supervisor(client):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def form(project_id: int, **changes: str) -> dict[str, str]:
    usual = {"project": str(project_id), "phones": "on", "region": "", "allowed": ""}
    return usual | {"name_list": "", "id_patterns": ""} | changes


def test_rules_are_added_and_listed_in_words(supervisor):
    project = make_project()
    assert "none is listed yet" in supervisor.get(reverse(LIST)).content.decode()
    answer = supervisor.post(
        reverse("admin:recordings_redactionrules_add"),
        form(
            project.pk,
            region="DE",
            allowed="+12025550100\nInfo@Example.com\n",
            id_patterns=r"\bX\d{5}\b",
        ),
    )
    assert answer.status_code == 302
    own = RedactionRules.objects.get()
    assert (own.region, own.allowed) == ("DE", "+12025550100\ninfo@example.com")
    page = supervisor.get(reverse(LIST)).content.decode()
    assert "Card number, Security code, Other number, Telephone number" in page


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("id_patterns", "(", "no regular expression"),
        ("id_patterns", "x*", "would find everything"),
        ("id_patterns", r"(a+)+b", "repeats what repeats"),
        ("id_patterns", r"(\d+|x)*b", "repeats what repeats"),
        ("id_patterns", "a" * 201, "longer than 200"),
        ("region", "Germany", "at most 2 characters"),
        ("allowed", "12", "+"),
        ("allowed", "not an@address", "valid email"),
    ],
)
def test_what_cannot_work_is_refused_in_words(supervisor, field, typed, words):
    answer = supervisor.post(
        reverse("admin:recordings_redactionrules_add"), form(make_project().pk, **{field: typed})
    )
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not RedactionRules.objects.exists()


def test_the_place_to_try_shows_what_would_be_kept_by_these_rules(supervisor, rules):
    url = reverse("admin:recordings_redactionrules_try_out", args=[rules.pk])
    assert "[card number]" in supervisor.get(url).content.decode()
    rules.names = True
    rules.save()
    said = "zaphod <b>has</b> 4111111111111111 and me@example.com"
    page = supervisor.post(url, {"text": said}).content.decode()
    kept = page.partition('role="status">')[2].partition("</p>")[0]
    assert "4111111111111111" not in kept
    assert "me@example.com" not in kept
    for mask in ("[name]", "[card number]", "[e-mail]"):
        assert mask in kept
    assert "&lt;b&gt;has&lt;/b&gt;" in kept


def test_without_rules_of_a_project_cards_are_tried(supervisor):
    url = reverse("admin:recordings_redactionrules_try_usual")
    page = supervisor.post(url, {"text": "4111111111111111 me@example.com"}).content.decode()
    assert "[card number]" in page
    assert "[e-mail]" not in page


def test_who_may_not_see_the_rules_tries_nothing(client, rules):
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    for url in (
        reverse("admin:recordings_redactionrules_try_out", args=[rules.pk]),
        reverse("admin:recordings_redactionrules_try_usual"),
    ):
        assert client.post(url, {"text": "x"}).status_code == 403


@pytest.fixture
def failed() -> AudioMask:
    recording = Recording.objects.create(
        call=make_call(room="call_y", caller="+12025550111"), recorder="worker",
        state="uploading", object_key="k", created_at=NOW,
    )  # fmt: skip
    return AudioMask.objects.create(recording=recording, state="failed", error="It was torn.")


@pytest.mark.usefixtures("tasks_at_once")
def test_what_failed_is_said_and_masked_again_on_demand(supervisor, failed, monkeypatch):
    queued: list[int] = []
    monkeypatch.setattr(
        "recordings.tasks.mask_recording.delay", lambda *, recording_id: queued.append(recording_id)
    )
    url = reverse("admin:recordings_audiomask_changelist")
    assert "It was torn." in supervisor.get(url).content.decode()
    supervisor.post(url, {"action": "mask_again", "_selected_action": [failed.pk]})
    failed.refresh_from_db()
    assert failed.state == "waiting"


def test_who_may_only_look_masks_nothing_again(client, failed):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_audiomask"))
    client.force_login(viewer)
    url = reverse("admin:recordings_audiomask_changelist")
    assert client.get(url).status_code == 200
    client.post(url, {"action": "mask_again", "_selected_action": [failed.pk]})
    failed.refresh_from_db()
    assert failed.state == "failed"
