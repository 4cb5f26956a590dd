"""The call page in a real browser: Chromium plays a real recording out of a real S3 server."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from django.contrib.auth.models import User
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from recordings import services, wiring
from recordings.models import AccessLog, JournalEntry, Recording, Transcript
from recordings.storage import S3Bucket
from recordings.tally import tally
from telephony.models import Call
from tests.contract.servers import free_port, program, running
from tests.factories import make_call, make_plan

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("livekit", "tasks_at_once"),  # publishing queues a push; no broker here
]

ACCESS, SECRET = "tests-access", "tests-only-s3-secret"
PASSWORD = "a-long-password-for-tests"
SAID = (  # who, words, start in ms of the journal; the recording begins at 400
    ("agent", "Hello, this is the shop. How can I help you?", 400),
    ("caller", "When are you open?", 4400),
    ("agent", "We are open from nine to six.", 7400),
)
STARTS_MS = 400
WAIT_S = 15


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An Ogg/Opus file in which each line is spoken where SAID puts it."""
    home = tmp_path_factory.mktemp("sound")
    inputs: list[str] = []
    for n, (_, words, _) in enumerate(SAID):
        file = home / f"{n}.wav"
        subprocess.run(["flite", "-t", words, "-o", str(file)], check=True)
        inputs += ["-i", str(file)]
    delays = ";".join(f"[{n}]adelay={at - STARTS_MS}[d{n}]" for n, (_, _, at) in enumerate(SAID))
    mix = "".join(f"[d{n}]" for n in range(len(SAID))) + f"amix={len(SAID)},apad=whole_dur=12"
    ogg = home / "call.ogg"
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", *inputs, "-filter_complex", f"{delays};{mix}",
         "-t", "12", "-c:a", "libopus", str(ogg)],
        check=True,
    )  # fmt: skip
    return ogg


@pytest.fixture
def bucket(tmp_path, settings) -> Iterator[S3Bucket]:
    port = free_port()
    shelf = tmp_path / "s3"
    shelf.mkdir()
    command = (
        "env", f"ROOT_ACCESS_KEY={ACCESS}", f"ROOT_SECRET_KEY={SECRET}",
        program("versitygw"), "--port", f"127.0.0.1:{port}", "posix", str(shelf),
    )  # fmt: skip
    settings.S3_ENDPOINT = settings.S3_PUBLIC_ENDPOINT = f"http://127.0.0.1:{port}"
    settings.S3_ACCESS_KEY, settings.S3_SECRET_KEY = ACCESS, SECRET
    with running(*command, log=tmp_path / "s3.log", port=port):
        wiring.bucket.cache_clear()
        made = wiring.bucket()
        assert isinstance(made, S3Bucket)
        made.ensure()
        yield made
    wiring.bucket.cache_clear()


@pytest.fixture
def browser(tmp_path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium")
    for flag in (
        "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
        "disable-background-networking", "disable-component-update", "disable-sync",
        "disable-dev-shm-usage", "autoplay-policy=no-user-gesture-required", "mute-audio",
        "window-size=1400,900", f"user-data-dir={tmp_path / 'profile'}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_page_load_timeout(30)
    yield driver
    driver.quit()


@pytest.fixture
def call(bucket, sound) -> Call:
    """A call whose recording went the way a worker's goes."""
    plan = make_plan()
    began = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    call = make_call(
        room="call_2_abc", state="ended", end_reason="caller", caller="+12025550111",
        called="+12025550100", project=plan.project, plan_digest=plan.digest, started_at=began,
        answered_at=began + timedelta(seconds=1), ended_at=began + timedelta(seconds=13),
    )  # fmt: skip
    body = sound.read_bytes()
    facts = {
        "sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "duration_ms": 12_000,
        "starts_ms": STARTS_MS, "content_type": "audio/ogg",
    }  # fmt: skip
    recording, link = services.offer_upload(call_id=call.pk, facts=facts, bucket=bucket, now=began)
    assert link
    urlopen(Request(link.url, data=body, headers=link.headers, method="PUT"), timeout=10)
    services.close_recording(recording_id=recording.pk, bucket=bucket, now=began)
    segments = [
        {"who": who, "text": words, "start_ms": at, "end_ms": at + 2500, "via": "speech",
         "interrupted": False, "latency": {}}
        for who, words, at in SAID
    ]  # fmt: skip
    Transcript.objects.create(call=call, segments=segments, built_at=began)
    return call


def log_in(browser: webdriver.Chrome, url: str) -> None:
    User.objects.create_superuser("ann", password=PASSWORD)
    browser.get(f"{url}/admin/")
    browser.find_element(By.NAME, "username").send_keys("ann")
    browser.find_element(By.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
    wait(browser, lambda: "/login/" not in browser.current_url)


def wait(browser: webdriver.Chrome, fact) -> None:
    WebDriverWait(browser, WAIT_S, poll_frequency=0.05).until(lambda _: fact())


def line(browser: webdriver.Chrome, words: str) -> WebElement:
    return browser.find_element(
        By.XPATH, f"//*[contains(@class,'call-line')][contains(.,'{words}')]"
    )


def sound_at(browser: webdriver.Chrome) -> float:
    """Seconds."""
    return float(browser.execute_script("return document.querySelector('audio').currentTime"))


def is_playing(browser: webdriver.Chrome) -> bool:
    return not browser.execute_script("return document.querySelector('audio').paused")


def marked(browser: webdriver.Chrome) -> list[str]:
    found = browser.find_elements(By.CSS_SELECTOR, "[aria-current=true] .call-text")
    return [element.text for element in found]


def press(browser: webdriver.Chrome, *keys: str) -> None:
    webdriver.ActionChains(browser).send_keys(*keys).perform()


def complaints(browser: webdriver.Chrome) -> list[str]:
    """What the browser's console holds against the page; a missing icon is not the page's."""
    severe = (entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE")
    return [entry["message"] for entry in severe if "favicon" not in entry["message"]]


def test_a_supervisor_opens_a_call_from_the_list_and_hears_the_line_they_click(
    live_server, browser, call
):
    log_in(browser, live_server.url)
    browser.get(f"{live_server.url}/admin/telephony/call/")
    browser.find_element(By.LINK_TEXT, "+1 202-555-0111").click()
    wait(browser, lambda: browser.find_elements(By.TAG_NAME, "audio"))
    length = "return document.querySelector('audio').duration"
    wait(browser, lambda: (browser.execute_script(length) or 0) > 11)  # the store has delivered

    line(browser, "When are you open?").click()
    wait(browser, lambda: is_playing(browser) and sound_at(browser) >= 4.0)
    assert sound_at(browser) < 6.5
    assert marked(browser) == ["When are you open?"]

    # the mark goes with the sound
    wait(browser, lambda: marked(browser) == ["We are open from nine to six."])
    assert 6.9 <= sound_at(browser) < 9.6
    assert complaints(browser) == []


def test_the_page_is_used_without_a_mouse(live_server, browser, call):
    log_in(browser, live_server.url)
    browser.get(f"{live_server.url}/admin/telephony/call/{call.pk}/change/")
    press(browser, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    wait(browser, lambda: is_playing(browser) and 4.5 <= sound_at(browser) < 6.5)
    press(browser, Keys.SPACE)
    wait(browser, lambda: not is_playing(browser))
    # the space bar stopped the sound, it did not press the line again: that begins at 4.0 s
    assert sound_at(browser) >= 4.5
    press(browser, Keys.ARROW_UP)
    focused = browser.execute_script("return document.activeElement.textContent")
    assert "How can I help you?" in focused


def test_a_page_opened_during_the_call_follows_it_to_its_end(live_server, browser, db):
    call = make_call(state="talking", caller="+12025550111")
    log_in(browser, live_server.url)
    browser.get(f"{live_server.url}/admin/telephony/call/{call.pk}/change/")
    assert "Nothing has been said yet." in browser.page_source

    JournalEntry.objects.create(
        call=call, journal="job", n=0, ms=0, at=call.started_at, kind="turn",
        data={"who": "caller", "text": "Are you there?", "start_ms": 0, "end_ms": 900},
    )  # fmt: skip
    wait(browser, lambda: "Are you there?" in browser.page_source)

    ended = call.started_at + timedelta(seconds=9)
    Call.objects.filter(pk=call.pk).update(state="ended", end_reason="caller", ended_at=ended)
    wait(browser, lambda: "The caller hung up." in browser.page_source)


def test_the_line_stays_marked_while_the_rest_of_the_page_changes(live_server, browser, call):
    Transcript.objects.all().delete()
    JournalEntry.objects.create(
        call=call, journal="job", n=0, ms=0, at=call.started_at, kind="turn",
        data={"who": "agent", "text": SAID[0][1], "start_ms": 400, "end_ms": 9000},
    )  # fmt: skip
    now = datetime.now(UTC)
    Call.objects.filter(pk=call.pk).update(started_at=now, ended_at=now)
    log_in(browser, live_server.url)
    browser.get(f"{live_server.url}/admin/telephony/call/{call.pk}/change/")
    line(browser, "How can I help").click()
    wait(browser, lambda: sound_at(browser) > 0.5)
    segment = {"who": "agent", "text": "How can I help, at last?", "start_ms": 400, "end_ms": 9000}
    Transcript.objects.create(call=call, segments=[segment], built_at=now)
    wait(browser, lambda: "at last?" in browser.page_source)
    assert is_playing(browser)
    assert sound_at(browser) > 0.5
    assert marked(browser) == ["How can I help, at last?"]


def test_a_store_which_is_away_is_said_on_the_page(live_server, browser, call, settings):
    settings.S3_ENDPOINT = settings.S3_PUBLIC_ENDPOINT = f"http://127.0.0.1:{free_port()}"
    wiring.bucket.cache_clear()
    log_in(browser, live_server.url)
    browser.get(f"{live_server.url}/admin/telephony/call/{call.pk}/change/")
    wait(browser, lambda: browser.find_element(By.CSS_SELECTOR, ".call-trouble").is_displayed())
    browser.find_element(By.LINK_TEXT, "See why").click()
    wait(browser, lambda: "The object store does not answer." in browser.page_source)
    assert Recording.objects.get(call=call).state == "stored"


@pytest.mark.parametrize(("scheme", "is_dark"), [("dark", True), ("light", False)])
def test_the_page_follows_the_colour_scheme_of_the_system(
    live_server, browser, call, scheme, is_dark
):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    log_in(browser, live_server.url)
    browser.get(f"{live_server.url}/admin/telephony/call/{call.pk}/change/")
    for selector in (".call-talk", ".call-sound"):
        card, text = (brightness(browser, selector, name) for name in ("backgroundColor", "color"))
        assert (card < 80) == is_dark
        assert abs(card - text) > 120, f"{selector}: text of {text} on {card} cannot be read"


def brightness(browser: webdriver.Chrome, selector: str, name: str) -> float:
    """0 to 255, of a colour in whatever notation CSS has."""
    script = """
        const canvas = document.createElement("canvas").getContext("2d");
        canvas.fillStyle = getComputedStyle(document.querySelector(arguments[0]))[arguments[1]];
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
        return (r + g + b) / 3;
    """
    return float(browser.execute_script(script, selector, name))


def test_a_narrow_window_does_not_scroll_sideways(live_server, browser, call):
    log_in(browser, live_server.url)
    browser.set_window_size(420, 900)
    browser.get(f"{live_server.url}/admin/telephony/call/{call.pk}/change/")
    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(overflow) <= 0
    head, talk = (
        browser.find_element(By.CSS_SELECTOR, part).rect for part in (".call-sound", ".call-talk")
    )
    assert talk["y"] > head["y"] + head["height"]


def test_no_page_of_figures_or_recordings_scrolls_sideways_when_narrow(live_server, browser, call):
    tally(call_id=call.pk, now=call.ended_at)
    AccessLog.objects.create(at=call.ended_at, who="ann", what="play", call=call)
    log_in(browser, live_server.url)
    browser.set_window_size(420, 900)
    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    days = "?first=2026-10-28&last=2026-11-26"
    wide = {}
    for page in ("hourfigure", "turnfigure", "accesslog", "export", "storefinding", "review"):
        browser.get(f"{live_server.url}/admin/recordings/{page}/{days if 'fig' in page else ''}")
        wide[page] = max(0, browser.execute_script(overflow))
    assert set(wide.values()) == {0}, wide
    browser.get(f"{live_server.url}/admin/recordings/accesslog/")
    label = "return getComputedStyle(arguments[0], '::before').content"
    cells = browser.find_elements(By.CSS_SELECTOR, "#result_list td")
    assert [browser.execute_script(label, cell) for cell in cells][:2] == ["none", '"who"']
