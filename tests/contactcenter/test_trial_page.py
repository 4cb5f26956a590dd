"""“Try it” in a real browser, with a real worker's examiner and providers which are emulated."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import livekit.plugins.openai  # noqa: F401 - it wants to be imported by the main thread
import pytest
from django.conf import settings
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from agents import seal, trials
from agents.models_trials import ProviderTrial
from agents.worker.desk import Desk
from agents.worker.examiner import Examiner
from tests.contactcenter.test_pages import (
    browser,  # noqa: F401 - a fixture
    complaints,
    log_in,
    wait,
)
from tests.emulators.server import Emulators
from tests.factories import make_account, make_member, make_project
from tests.worker.engines import AT, world
from tests.worker.plan import a_config

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@contextmanager
def a_worker(url: str, folder: Path) -> Iterator[Emulators]:
    """An examiner at work in its own thread, beside the emulators it speaks to."""
    ready, loop, found = threading.Event(), asyncio.new_event_loop(), []

    async def work() -> None:
        config = a_config(folder, url=url, seal_keys=tuple(settings.SEAL_KEYS))
        async with world() as emulators, Desk(url, settings.WORKER_TOKEN) as desk:
            found.append(emulators)
            ready.set()
            await Examiner(config, desk).run()

    task = loop.create_task(work())
    thread = threading.Thread(target=_until_cancelled, args=(loop, task))
    thread.start()
    assert ready.wait(20)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(20)


def _until_cancelled(loop: asyncio.AbstractEventLoop, task: asyncio.Task) -> None:
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        loop.close()


@pytest.fixture
def worker(live_server, tmp_path) -> Iterator[Emulators]:
    with a_worker(live_server.url, tmp_path / "worker") as emulators:
        yield emulators


def account_at(emulators: Emulators, slug: str, *, key: str = "k-test"):
    sealed = seal.seal(key, keys=settings.SEAL_KEYS)
    return make_account(slug, base_url=emulators.base + AT[slug], sealed_key=sealed)


def open_page(driver: webdriver.Chrome, url: str, account, query: str = "") -> None:
    driver.get(f"{url}/admin/agents/provideraccount/{account.pk}/change/{query}")


def field(driver: webdriver.Chrome, name: str):
    return driver.find_element(By.CSS_SELECTOR, f".try [name=try-{name}]")


def press(driver: webdriver.Chrome) -> None:
    """Out from under the bar at the bottom, as somebody scrolls."""
    button = driver.find_element(By.CSS_SELECTOR, ".try-form [type=submit]")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()


def told(driver: webdriver.Chrome) -> str:
    """The newest trial, as the page tells it."""
    rows = driver.find_elements(By.CSS_SELECTOR, '.try-rows > li:not([data-state="open"])')
    return rows[0].text if rows else ""


def test_a_voice_is_heard_without_loading_the_page_again(live_server, browser, worker):  # noqa: F811
    account = account_at(worker, "kokoro")
    log_in(browser, live_server.url)
    open_page(browser, live_server.url, account)
    browser.execute_script("window.same = true")
    field(browser, "voice").send_keys("af_sky")
    press(browser)
    played = "const a = document.querySelector('.try-audio'); return a.played.length && a.duration"
    wait(browser, lambda: browser.execute_script(played) > 1)
    wait(browser, lambda: "First sound after" in told(browser))
    assert "af_sky" in told(browser)
    assert browser.execute_script("return window.same")
    assert complaints(browser) == []
    assert bytes(ProviderTrial.objects.get().sound).startswith(b"RIFF")


def test_a_wrong_key_is_told_with_what_to_do(live_server, browser, worker):  # noqa: F811
    account = account_at(worker, "openai-llm", key="bad-secret")
    log_in(browser, live_server.url)
    open_page(browser, live_server.url, account)
    press(browser)
    wait(browser, lambda: "401" in told(browser))
    assert "The key is not accepted" in told(browser)
    assert "bad-secret" not in browser.page_source
    assert account.sealed_key not in browser.page_source


def test_nobody_there_is_told_on_the_page(live_server, browser, monkeypatch):  # noqa: F811
    monkeypatch.setattr(trials, "TAKEN_WITHIN", trials.TAKEN_WITHIN / 10)
    log_in(browser, live_server.url)
    open_page(browser, live_server.url, make_account("flite"))
    press(browser)
    wait(browser, lambda: trials.NOBODY in told(browser))
    assert "make up" in told(browser)
    wait(browser, browser.find_element(By.CSS_SELECTOR, ".try-form [type=submit]").is_enabled)


def test_a_projects_voice_is_heard_before_it_is_saved(live_server, browser):  # noqa: F811
    """The link takes what the row says now along to the account's page."""
    other = make_account("kokoro", base_url="http://127.0.0.1:9/v1")
    project = make_project(own=False, greeting="Good morning!", language="en-GB")
    make_member(project, "tts", make_account("flite"), voice="slt")
    log_in(browser, live_server.url)
    browser.get(f"{live_server.url}/admin/agents/project/{project.pk}/change/")
    Select(browser.find_element(By.NAME, "tts-0-account")).select_by_value(str(other.pk))
    voice = browser.find_element(By.NAME, "tts-0-voice")
    voice.clear()
    voice.send_keys("bm_fable")
    link = browser.find_element(By.CSS_SELECTOR, "a[data-hear]")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", link)
    link.click()
    wait(browser, lambda: len(browser.window_handles) == 2)
    browser.switch_to.window(browser.window_handles[1])
    wait(browser, lambda: f"provideraccount/{other.pk}/change" in browser.current_url)
    shown = [field(browser, name).get_property("value") for name in ("voice", "language", "text")]
    assert shown == ["bm_fable", "en-GB", "Good morning!"]


def test_a_narrow_window_does_not_scroll_sideways(live_server, browser, db):  # noqa: F811
    account = make_account("kokoro", base_url="http://127.0.0.1:9/v1")
    ProviderTrial.objects.create(
        account=account, role="tts", text="Hello.", voice="v" * 80, state="done", error="e" * 300,
        asked_at="2026-11-21T09:00Z",
    )  # fmt: skip
    log_in(browser, live_server.url)
    browser.set_window_size(420, 900)
    open_page(browser, live_server.url, account)
    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(overflow) <= 0
