"""Consent, pauses and cards from the admin into the plan."""

import json

import pytest
from django.urls import reverse

from agents import services
from agents.draft import draft
from agents.models import DigitPurpose, Project
from agents.plan import CallPlan
from agents.seal import seal, unseal
from tests.agents.pages import new_row, shown
from tests.factories import make_plan, make_project

pytestmark = [pytest.mark.db, pytest.mark.django_db]

URL = "https://cards.example.com/tokens"


@pytest.fixture(autouse=True)
def allowed(settings):
    settings.TOKENISER_HOSTS = ["cards.example.com"]


def problems(project) -> str:
    return " ".join(services.check_draft(project=project))


def paying(settings, **values) -> Project:
    keeps = {
        "tokeniser_url": URL, "sealed_tokeniser_secret": seal("s3cret", keys=settings.SEAL_KEYS)
    }  # fmt: skip
    project = make_project(**keeps | values)
    DigitPurpose.objects.create(project=project, key="pay", ask="Your card number.", card=True)
    return project


def test_a_plan_of_the_release_before_asks_nobody_and_takes_no_card():
    raw = json.loads(draft(project=make_project()).to_json())
    for name in ("consent", "pause_key", "bot_pauses", "paused", "resumed", "card", "tokeniser"):
        del raw[name]
    for purpose in raw["purposes"]:
        del purpose["card"], purpose["pauses"]
    plan = CallPlan.from_json(json.dumps(raw | {"format": 3}))
    assert plan.consent.mode == "none"
    assert plan.tokeniser is None
    assert plan.asides() == ()


def test_a_plan_comes_back_as_it_went(settings):
    project = paying(settings, consent="question", pause_key="*", bot_pauses=True)
    assert problems(project) == ""
    plan = CallPlan.from_json(make_plan(project).body)
    assert plan == draft(project=project)
    assert plan.tokeniser is not None
    assert plan.tokeniser.url == URL
    assert plan.purposes[0].card
    assert plan.purposes[0].hidden
    assert "Your card has been taken." in plan.asides()
    assert "s3cret" not in plan.to_json()


def test_what_is_not_recorded_needs_no_consent():
    plan = draft(project=make_project(record=False, consent="question", pause_key="*"))
    assert (plan.consent.mode, plan.pause_key) == ("none", "")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tokeniser_url": ""}, "nobody keeps them"),
        ({"sealed_tokeniser_secret": ""}, "Enter the secret you share"),
        ({"sealed_tokeniser_secret": "gAAA"}, "SEAL_KEY"),
        ({"tokeniser_url": "https://elsewhere.example/"}, "TOKENISER_HOSTS"),
        ({"tokeniser_url": "http://cards.example.com/"}, "over https only"),
        ({"card_code": " "}, "question for the code"),
        ({"consent": "announcement", "consent_words": ""}, "there are no words"),
    ],
)
def test_what_cannot_go_live_is_said(settings, values, words):
    assert words in problems(paying(settings, **values))


def test_a_card_is_not_read_back(settings):
    project = paying(settings)
    DigitPurpose.objects.update(confirm=True)
    assert "would be read aloud" in problems(project)


def test_the_projects_page_keeps_the_secret_sealed(admin_client, settings):
    project = make_project()
    url = reverse("admin:agents_project_change", args=[project.pk])
    row = {"key": "pay", "ask": "Your card number.", "card": "on", "least": "1", "most": "19"}
    facts = new_row(admin_client.get(url), "purposes", **row, gap_s="4", total_s="60")
    facts |= {"consent": "question", "pause_key": "#"}
    facts |= {"tokeniser_url": URL, "tokeniser_secret": "s3cret"}
    answer = admin_client.post(url, facts)
    assert answer.status_code == 302, answer.context["errors"]
    project.refresh_from_db()
    assert unseal(project.sealed_tokeniser_secret, keys=settings.SEAL_KEYS) == "s3cret"
    assert project.purposes.get().card
    page = admin_client.get(url)
    assert "s3cret" not in page.content.decode()
    assert "Consent and pauses" in page.content.decode()
    admin_client.post(url, shown(page))  # an empty field leaves it as it is
    project.refresh_from_db()
    assert unseal(project.sealed_tokeniser_secret, keys=settings.SEAL_KEYS) == "s3cret"
    refused = admin_client.post(url, shown(page) | {"tokeniser_url": "https://evil.example/"})
    assert "TOKENISER_HOSTS" in refused.content.decode()
    admin_client.post(url, shown(page) | {"tokeniser_url": ""})
    project.refresh_from_db()
    assert project.sealed_tokeniser_secret == ""
