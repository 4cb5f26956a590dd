"""A key goes in and never comes out: not in the database, on a page, in a plan or in a log."""

import json
import logging
import pprint
from io import StringIO

import pytest
from django.conf import settings
from django.contrib import admin
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from agents import services
from agents.accounts import take_environment
from agents.models import Project, ProviderAccount, PublishedPlan
from tests.factories import NOW, make_member, make_plan, make_project

pytestmark = [pytest.mark.db, pytest.mark.django_db]

CANARIES = ("sk-canary-environment", "dg-canary-desk", "el-canary-file")


@pytest.fixture
def planted(admin_client, environ, tmp_path, caplog, capfd):
    """One key by variable, one by file, one by the form; all are in a published plan."""
    caplog.set_level(logging.DEBUG)
    (tmp_path / "key").write_text(CANARIES[2])
    environ(OPENAI_API_KEY=CANARIES[0], ELEVENLABS_API_KEY_FILE=str(tmp_path / "key"))
    data = {"name": "Mine", "provider": "deepgram-stt", "key": CANARIES[1]}
    assert admin_client.post("/admin/agents/provideraccount/add/", data).status_code == 302
    taken = take_environment()
    project = make_project(own=False)
    make_member(project, "stt", ProviderAccount.objects.get(name="Mine"))
    make_member(project, "llm", taken["openai-llm"])
    make_member(project, "tts", taken["elevenlabs-tts"])
    make_plan(project)
    assert len([one for one in ProviderAccount.objects.all() if one.sealed_key]) >= 3
    return project


def assert_none_in(text: str) -> None:
    assert text
    assert [canary for canary in CANARIES if canary in text] == []


def test_the_dump_of_the_database_holds_none(planted):
    out = StringIO()
    call_command("dumpdata", stdout=out)
    assert "deepgram-stt" in out.getvalue()
    assert_none_in(out.getvalue())


def test_no_column_of_any_table_holds_one(planted):
    """Sessions, log entries and tables without a model too."""
    with connection.cursor() as cursor:
        rows = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 – names from the database
            rows += [str(row) for row in cursor.fetchall()]
    assert_none_in("\n".join(rows))


def every_page() -> list[str]:
    """Lists, forms, histories and confirmations of every model of the app."""
    pages = []
    for model in admin.site._registry:
        if model._meta.app_label != "agents":
            continue
        name = f"admin:agents_{model._meta.model_name}"
        pages += [reverse(f"{name}_changelist"), reverse(f"{name}_add")]
        for pk in model._default_manager.values_list("pk", flat=True):
            pages += [
                reverse(f"{name}_{kind}", args=[pk]) for kind in ("change", "history", "delete")
            ]
    return pages


def test_no_page_of_the_admin_shows_one(planted, admin_client):
    pages = every_page()
    assert len(pages) > 20
    shown = 0
    for url in pages:
        answer = admin_client.get(url, follow=True)
        assert answer.status_code in {200, 403}, url
        shown += answer.status_code == 200
        assert_none_in(answer.content.decode())
    assert shown > 15


def test_no_form_sent_back_with_an_error_shows_one(planted, admin_client):
    data = {"name": "", "provider": "deepgram-stt", "key": CANARIES[1], "base_url": "nonsense"}
    for url in ("/admin/agents/provideraccount/add/", every_page()[0]):
        assert_none_in(admin_client.post(url, data).content.decode())


def test_plans_and_what_workers_read_hold_none(planted, client):
    token = {"Authorization": f"Bearer {settings.WORKER_TOKEN}"}
    for plan in PublishedPlan.objects.all():
        stages = [s for role in ("stt", "llm", "tts") for s in json.loads(plan.body)[role]]
        assert all(stage["sealed_key"] for stage in stages)
        assert_none_in(plan.body)
        assert_none_in(client.get(f"/internal/plans/{plan.digest}", headers=token).content.decode())
    assert_none_in(str(services.draft(project=planted)))


def test_logs_and_commands_say_none(planted, caplog, capfd, admin_client, monkeypatch):
    for command in ("takeenvironment", "rotatekeys", "demoproject"):
        call_command(command)
    services.publish(project_id=planted.pk, by="tests", now=NOW)
    ProviderAccount.objects.filter(name="Mine").update(sealed_key="gAAAA-broken")
    with pytest.raises(services.DraftIncomplete) as told:
        services.publish(project_id=planted.pk, by="tests", now=NOW)
    said = capfd.readouterr()
    assert "Deepgram" not in said.err
    assert_none_in(said.out + said.err + str(told.value))
    assert_none_in("log\n" + caplog.text + "".join(str(vars(record)) for record in caplog.records))


def test_a_crash_shows_none(planted, settings, rf):
    """Django's page with all settings and local values, which DEBUG shows to the browser."""
    from django.views.debug import ExceptionReporter

    settings.DEBUG = True
    defaults = settings.AGENT_DEFAULTS
    try:
        raise RuntimeError(f"crash beside {type(defaults).__name__}")
    except RuntimeError as crash:
        reporter = ExceptionReporter(rf.get("/"), type(crash), crash, crash.__traceback__)
    assert_none_in(reporter.get_traceback_html())
    assert_none_in(reporter.get_traceback_text())
    assert_none_in(repr(defaults) + str(defaults) + pprint.pformat(defaults))


def test_the_canaries_are_there_to_be_found(planted):
    """So that the tests above can fail: whoever has SEAL_KEY reads them."""
    from agents.seal import unseal

    held = {unseal(a.sealed_key, keys=settings.SEAL_KEYS) for a in ProviderAccount.objects.all()}
    assert held >= set(CANARIES)
    assert Project.objects.get(pk=planted.pk).published is not None
