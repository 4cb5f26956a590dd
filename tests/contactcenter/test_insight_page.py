"""What a call was about, in a real browser: a real worker's analyst asks an emulated model."""

import asyncio
import json
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import livekit.plugins.openai  # noqa: F401 - it wants to be imported by the main thread
import pytest
from django.conf import settings
from selenium.webdriver.common.by import By

from agents import seal
from agents.worker import analyst
from agents.worker.desk import Desk
from recordings import tasks
from recordings.models import AfterStep, Analysis, CallCost, CallInsight
from tests.contactcenter.test_pages import (
    browser,  # noqa: F401 - a fixture
    complaints,
    log_in,
    wait,
)
from tests.emulators.server import Emulators
from tests.factories import make_account, make_project
from tests.recordings.after_cases import HOSTILE, TALK, a_call, wanting
from tests.recordings.conftest import bucket, turn  # noqa: F401 - a fixture
from tests.recordings.test_after import GOOD
from tests.worker.engines import AT, world
from tests.worker.plan import a_config

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("livekit", "bucket", "tasks_at_once"),
]


class Answered(Desk):
    """Says when an answer was taken, and all that follows from it done: tasks run at once here."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, token, timeout_s=60)
        self.told = asyncio.Event()

    async def analysed(self, number: int, outcome: dict) -> None:
        await super().analysed(number, outcome)
        self.told.set()


def answered_by_a_worker(
    url: str, folder: Path, emulators_at: "Future[Emulators]", ready: threading.Event
) -> None:
    """An analyst in a thread of its own until it has answered one question, and its emulators."""

    async def work() -> None:
        config = a_config(folder, url=url, seal_keys=tuple(settings.SEAL_KEYS))
        async with world() as emulators, Answered(url, settings.WORKER_TOKEN) as desk:
            said = GOOD | {"summary": f"He said {HOSTILE['markup']}", "disposition": "Complaint"}
            emulators.board.script.answers["*"] = json.dumps(said)
            emulators_at.set_result(emulators)
            await asyncio.to_thread(ready.wait, 90)
            asked = asyncio.create_task(analyst.Analyst(config, desk).run())
            async with asyncio.timeout(90):
                await desk.told.wait()
            asked.cancel()

    asyncio.run(work())


def shot(driver, name: str) -> None:
    """For whoever wants to look: SCREENSHOTS names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        driver.save_screenshot(f"{folder}/{name}.png")


def test_a_supervisor_reads_what_a_model_made_of_a_hostile_call(
    live_server, browser, tmp_path, monkeypatch  # noqa: F811
):  # fmt: skip
    monkeypatch.setattr(analyst, "LOOK_S", 0.1)
    emulators_at: Future[Emulators] = Future()
    with ThreadPoolExecutor(1) as pool:
        # the tests' SQLite takes one at a time: the worker begins when the call is there
        ready = threading.Event()

        def work() -> None:
            answered_by_a_worker(live_server.url, tmp_path / "worker", emulators_at, ready)

        working = pool.submit(work)
        emulators = emulators_at.result(60)
        key = seal.seal("k-test", keys=settings.SEAL_KEYS)
        account = make_account(
            "openai-llm", sealed_key=key, base_url=emulators.base + AT["openai-llm"], model="m-1"
        )
        project = make_project(llm_account=account)
        wanting(project, engine="chain")
        call = a_call(
            *TALK[:3], turn("caller", HOSTILE["markup"], 6000),
            turn("caller", HOSTILE["injection"], 6500), *TALK[3:], project=project,
        )  # fmt: skip
        tasks.sweep_after()
        ready.set()
        working.result(120)
    requests = [one for one in emulators.board.log if one["what"] == "request"]
    assert len(requests) == 1
    assert AfterStep.objects.get(name="tell").state == "done"
    log_in(browser, live_server.url)
    browser.get(f"{live_server.url}/admin/telephony/call/{call.pk}/change/")
    shown = browser.find_element(By.CSS_SELECTOR, ".call-insight").text
    for words in (
        HOSTILE["markup"],
        "Complaint",
        "by OpenAI or compatible m-1",
        "4711",
        "by rules",
    ):
        assert words in shown
    assert complaints(browser) == []
    shot(browser, "insight-light")
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [dark]})
    browser.find_element(By.CSS_SELECTOR, ".call-criteria summary").click()
    shot(browser, "insight-dark")
    browser.set_window_size(420, 1400)
    wide = "return document.querySelector('.call-insight').scrollWidth <= window.innerWidth"
    assert browser.execute_script(wide)
    shot(browser, "insight-narrow")
    browser.set_window_size(1400, 900)
    browser.get(f"{live_server.url}/admin/recordings/aftercall/{project.after_call.pk}/change/")
    shot(browser, "settings-dark")

    # once more: the same question is not asked, nor paid for, twice
    before = CallInsight.objects.values().get()
    browser.get(f"{live_server.url}/admin/telephony/call/{call.pk}/change/")
    browser.find_element(By.CSS_SELECTOR, ".call-again").click()
    wait(browser, lambda: "It is found out again" in browser.page_source)
    assert CallInsight.objects.values().get() == before
    assert len(Analysis.objects.get().usage) == 1
    assert CallCost.objects.filter(call=call).count() == 1
