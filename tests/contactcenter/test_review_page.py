"""Reviewing a call in a real browser, with real sound out of a real S3 server."""

import hashlib
from datetime import timedelta
from urllib.request import Request, urlopen

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from recordings import services, storage
from recordings.models import JournalEntry, Remark, Review, ShareLink, Transcript
from telephony.models import Call
from tests.contactcenter.test_pages import (
    PASSWORD,
    browser,  # noqa: F401 - a fixture
    bucket,  # noqa: F401 - a fixture
    complaints,
    is_playing,
    log_in,
    marked,
    press,
    sound_at,
    wait,
)
from tests.factories import make_call
from tests.sounds import ogg

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("livekit", "tasks_at_once"),
]

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
SAID = (  # who, words, start and end in ms; nobody speaks from 6 to 20 s
    ("agent", "Hello, this is the shop.", 0, 2000),
    ("caller", HOSTILE, 2500, 4000),
    ("agent", "We are open from nine to six. 😀", 4500, 6000),
    ("caller", "أريد استرداد أموالي", 20_000, 22_000),
    ("agent", "Good-bye.", 23_000, 24_000),
)


@pytest.fixture(scope="module")
def sound() -> bytes:
    def spoken(by: str) -> list[tuple[float, float]]:
        return [(begin / 1000, end / 1000) for who, _, begin, end in SAID if who == by]

    return ogg(seconds=30, caller=spoken("caller"), bot=spoken("agent"))


def recorded(bucket, body: bytes, *, duration_ms: int, room: str = "call_7_abc") -> Call:  # noqa: F811
    """A call whose recording went the way a worker's goes: with its picture drawn."""
    ended = timezone.now() - timedelta(hours=1)
    began = ended - timedelta(milliseconds=duration_ms)
    call = make_call(
        room=room, state="ended", end_reason="caller", caller="+12025550111",
        called="+12025550100", started_at=began, answered_at=began, ended_at=ended,
    )  # fmt: skip
    facts = {
        "sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "duration_ms": duration_ms,
        "starts_ms": 0, "content_type": "audio/ogg",
    }  # fmt: skip
    row, link = services.offer_upload(call_id=call.pk, facts=facts, bucket=bucket, now=ended)
    assert link
    urlopen(Request(link.url, data=body, headers=link.headers, method="PUT"), timeout=10)
    services.close_recording(recording_id=row.pk, bucket=bucket, now=ended)
    return call


def said(call: Call, lines) -> None:
    segments = [
        {"who": who, "text": words, "start_ms": begin, "end_ms": end, "via": "speech",
         "interrupted": begin == 4500, "latency": {}}
        for who, words, begin, end in lines
    ]  # fmt: skip
    Transcript.objects.create(call=call, segments=segments, built_at=timezone.now())


@pytest.fixture
def call(bucket, sound) -> Call:  # noqa: F811
    call = recorded(bucket, sound, duration_ms=30_000)
    said(call, SAID)
    told = (
        (1, 100, "consent", {"outcome": "agreed"}),
        (2, 8000, "pause", {"what": "begin", "why": "card"}),
        (3, 15_000, "pause", {"what": "end", "why": "card"}),
        (4, 22_500, "error", {"what": "tts", "detail": "status 500"}),
    )
    for n, ms, kind, data in told:
        JournalEntry.objects.create(
            call=call, journal="job", n=n, ms=ms, at=call.started_at, kind=kind, data=data
        )
    return call


@pytest.fixture
def page(live_server, browser, call) -> webdriver.Chrome:  # noqa: F811
    log_in(browser, live_server.url)
    visit(browser, live_server.url, call)
    return browser


def visit(browser: webdriver.Chrome, url: str, call: Call) -> None:  # noqa: F811
    browser.get(f"{url}/admin/telephony/call/{call.pk}/change/")
    wait(browser, lambda: slider(browser).get_attribute("aria-valuemax") == "30")


def slider(browser: webdriver.Chrome):  # noqa: F811
    return browser.find_element(By.CSS_SELECTOR, ".wave-view")


def focused(browser: webdriver.Chrome) -> str:  # noqa: F811
    return browser.execute_script("return document.activeElement.className") or ""


def told(browser: webdriver.Chrome) -> str:  # noqa: F811
    """What a screen reader is told."""
    return browser.find_element(By.ID, "call-said").get_attribute("textContent") or ""


def colours(browser: webdriver.Chrome, second: float) -> int:  # noqa: F811
    """How many pixels of the waveform's column are painted."""
    script = """
        const canvas = document.querySelector(".wave-view canvas");
        const x = Math.round(arguments[0] / 30 * canvas.width);
        const column = canvas.getContext("2d").getImageData(x, 30, 1, canvas.height - 30).data;
        return [...column].filter((value, n) => n % 4 === 3 && value > 60).length;
    """
    return int(browser.execute_script(script, second))


def click(browser: webdriver.Chrome, element) -> None:  # noqa: F811
    """As somebody does who sees that the sound covers it: scrolled to the middle first."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def test_both_sides_of_a_call_are_seen_and_a_click_goes_there(page):
    wait(page, lambda: colours(page, 1) > 5)  # the bot speaks
    assert colours(page, 21) > 5  # the caller speaks
    assert colours(page, 17) <= 4  # nobody does
    width = slider(page).rect["width"]
    chain = webdriver.ActionChains(page)
    chain.move_to_element_with_offset(slider(page), round(width * (21 / 30 - 0.5)), 0).click()
    chain.perform()
    assert 20.5 < sound_at(page) < 21.5
    assert slider(page).get_attribute("aria-valuetext") in {"0:20 of 0:30", "0:21 of 0:30"}
    assert marked(page) == ["أريد استرداد أموالي"]

    links = page.find_elements(By.CSS_SELECTOR, "[data-mark]")
    kinds = [link.get_attribute("data-mark") for link in links]
    assert kinds == ["consent", "interruption", "pause", "fault"]
    links[3].click()
    wait(page, lambda: is_playing(page) and 22.4 <= sound_at(page) < 25)

    # a caller who speaks in markup or Arabic is read as he spoke
    assert page.title != "taken"
    texts = page.find_elements(By.CSS_SELECTOR, ".call-line .call-text")
    assert HOSTILE in [text.text for text in texts]
    direction = "return getComputedStyle(arguments[0]).direction"
    ways = {text.text: page.execute_script(direction, text) for text in texts}
    assert ways["أريد استرداد أموالي"] == "rtl"
    assert ways["We are open from nine to six. 😀"] == "ltr"
    assert complaints(page) == []


def test_a_review_is_done_without_a_mouse(page, call):
    press(page, "j")  # the first line is 0:00, the next one 0:02
    wait(page, lambda: is_playing(page) and sound_at(page) >= 2.4)
    press(page, Keys.SPACE)
    wait(page, lambda: not is_playing(page))
    # a slow machine may have played on into another line
    page.execute_script("document.querySelector('audio').currentTime = 3")
    press(page, "j", Keys.SPACE)
    wait(page, lambda: not is_playing(page) and sound_at(page) >= 4.4)
    before = sound_at(page)
    press(page, Keys.ARROW_RIGHT)
    assert 4.5 <= sound_at(page) - before <= 5.5
    press(page, "m")  # the fault; the pause began before
    assert 22.4 < sound_at(page) < 22.6
    assert "Fault" in told(page)
    press(page, ">", ">")
    assert page.execute_script("return document.querySelector('audio').playbackRate") == 1.5
    assert told(page) == "Speed 1.5"
    press(page, "<", "<", "<")
    assert page.execute_script("return document.querySelector('audio').playbackRate") == 0.75

    page.execute_script("document.querySelector('.wave-view').focus()")
    press(page, Keys.HOME)
    assert sound_at(page) == 0
    press(page, Keys.PAGE_UP, Keys.ARROW_LEFT)
    assert sound_at(page) == 25

    press(page, "c")
    page.switch_to.active_element.send_keys("She wants her money back ?n")
    assert page.current_url.endswith(f"/{call.pk}/change/")  # letters typed are no keys
    page.switch_to.active_element.send_keys(Keys.TAB, Keys.ENTER)
    wait(page, lambda: Remark.objects.filter(call=call).exists())
    assert Remark.objects.get().at_ms == 25_000
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, ".call-remark"))
    assert page.find_elements(By.CSS_SELECTOR, "[data-mark=comment][data-at='25000']")
    assert sound_at(page) == 25  # the sound is where it was

    # silence is skipped on demand
    page.execute_script("document.activeElement.blur()")
    press(page, "s")
    assert told(page) == "Silence is skipped"
    page.execute_script("document.querySelector('audio').currentTime = 5.5")
    press(page, Keys.SPACE)
    wait(page, lambda: sound_at(page) > 19)
    assert sound_at(page) < 24
    assert is_playing(page)

    # letters can be switched off where they are listed
    press(page, Keys.SPACE)
    wait(page, lambda: not is_playing(page))
    where = sound_at(page)
    press(page, "?")
    help_ = page.find_element(By.ID, "keys")
    wait(page, help_.is_displayed)
    assert "Next call in the queue" in help_.text
    help_.find_element(By.CSS_SELECTOR, "[data-do=letters]").click()
    press(page, Keys.ESCAPE)
    wait(page, lambda: not help_.is_displayed())
    press(page, "j")
    assert not is_playing(page)
    assert sound_at(page) == where


def test_verdict_tags_and_questions_work_while_the_sound_plays_on(page, call):
    panel = page.find_element(By.CSS_SELECTOR, ".call-review")
    press(page, Keys.SPACE)
    wait(page, lambda: is_playing(page))
    click(page, panel.find_element(By.CSS_SELECTOR, "[value=take]"))
    wait(page, lambda: "In review" in panel.text)
    assert told(page) == "The call is yours to review."
    notes = panel.find_elements(By.CSS_SELECTOR, "textarea")
    notes[1].send_keys("half a note")
    panel.find_element(By.NAME, "tags").send_keys("billing, rude", Keys.ENTER)
    tags = "return document.querySelector('.review-tags').textContent"
    wait(page, lambda: "rude" in page.execute_script(tags))
    kept = panel.find_elements(By.CSS_SELECTOR, "textarea")[1]
    assert kept.get_attribute("value") == "half a note"
    click(page, panel.find_element(By.CSS_SELECTOR, "[value=needs_work]"))
    wait(page, lambda: "Reviewed: Needs work" in panel.text)
    assert Review.objects.get(call=call).verdict == "needs_work"
    click(page, panel.find_element(By.CSS_SELECTOR, "[value=reopen]"))
    page.switch_to.alert.dismiss()
    assert Review.objects.get(call=call).state == "done"

    # people change and delete what they wrote in place
    panel.find_elements(By.CSS_SELECTOR, "textarea")[0].send_keys("one", Keys.TAB, Keys.ENTER)
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, ".call-remark"))
    click(page, panel.find_element(By.CSS_SELECTOR, "[data-edit]"))
    page.switch_to.active_element.send_keys(" and a half", Keys.TAB, Keys.ENTER)
    wait(page, lambda: Remark.objects.get().text == "one and a half")
    talk = "return document.querySelector('.call-talk').textContent"
    wait(page, lambda: "one and a half" in page.execute_script(talk))
    click(page, panel.find_element(By.CSS_SELECTOR, "[data-delete]"))
    page.switch_to.alert.dismiss()
    assert Remark.objects.exists()
    click(page, panel.find_element(By.CSS_SELECTOR, "[data-delete]"))
    page.switch_to.alert.accept()
    wait(page, lambda: not Remark.objects.exists())
    wait(page, lambda: not page.find_elements(By.CSS_SELECTOR, ".call-remark"))
    assert complaints(page) == []


def test_n_takes_the_next_call_of_the_queue(page, call):
    began = timezone.now() - timedelta(hours=5)
    other = make_call(
        room="call_8", state="ended", end_reason="bot", started_at=began, answered_at=began,
        ended_at=began + timedelta(minutes=1),
    )  # fmt: skip
    for taken in (call, other):
        press(page, "n")
        wait(page, lambda taken=taken: Review.objects.filter(call=taken, state="taken").exists())
        wait(page, lambda taken=taken: page.current_url.endswith(f"/{taken.pk}/change/"))
        wait(page, lambda: page.find_elements(By.CSS_SELECTOR, "[value=needs_work]"))


def test_a_link_which_runs_out_is_renewed_where_the_listener_was(
    live_server,
    browser,  # noqa: F811
    bucket,  # noqa: F811
    monkeypatch,
):
    """A large file, so that the browser has to ask again for the rest of it."""
    monkeypatch.setattr(storage, "PLAY_LINK_S", 5)
    body = ogg(seconds=600, noisy=True)
    assert len(body) > 3_000_000
    call = recorded(bucket, body, duration_ms=600_000)
    log_in(browser, live_server.url)
    browser.get(f"{live_server.url}/admin/telephony/call/{call.pk}/change/")
    length = "return document.querySelector('audio').duration"
    wait(browser, lambda: (browser.execute_script(length) or 0) > 500)
    begun = timezone.now()
    wait(browser, lambda: timezone.now() - begun > timedelta(seconds=6))  # it has run out
    browser.execute_script("document.querySelector('audio').currentTime = 400")
    press(browser, Keys.SPACE)
    wait(browser, lambda: is_playing(browser) and sound_at(browser) > 400.5)
    assert sound_at(browser) < 430
    assert not browser.find_element(By.CSS_SELECTOR, ".call-trouble").is_displayed()


def test_a_colleague_who_may_hear_nothing_else_hears_the_call_of_a_link(page, call, live_server):
    details = page.find_element(By.CSS_SELECTOR, ".review-share")
    details.find_element(By.TAG_NAME, "summary").click()
    Select(details.find_element(By.NAME, "hours")).select_by_value("1")
    details.find_element(By.NAME, "widens").click()
    details.find_element(By.XPATH, ".//button[contains(., 'Make a link')]").click()
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, "[data-made]"))
    url = page.find_element(By.CSS_SELECTOR, "[data-made]").get_attribute("value")
    assert ShareLink.objects.get().widens

    User.objects.create_user("guest", password=PASSWORD, is_staff=True)
    page.delete_all_cookies()
    page.get(url)
    page.find_element(By.NAME, "username").send_keys("guest")
    page.find_element(By.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, ".shared-by"))
    wait(page, lambda: slider(page).get_attribute("aria-valuemax") == "30")
    press(page, "j")
    wait(page, lambda: is_playing(page) and sound_at(page) > 2.5)
    assert not page.find_elements(By.CSS_SELECTOR, ".call-review form")
    assert complaints(page) == []


def test_three_hours_of_talk_stay_in_step(live_server, browser, bucket, sound):  # noqa: F811
    """Two thousand lines; the sound is short, what counts is the page."""
    call = recorded(bucket, sound, duration_ms=30_000)
    lines = [
        ("agent" if n % 2 else "caller", f"Line number {n}", n * 5400, n * 5400 + 3000)
        for n in range(2000)
    ]
    said(call, lines)
    log_in(browser, live_server.url)
    visit(browser, live_server.url, call)
    assert len(browser.find_elements(By.CSS_SELECTOR, "button.call-line")) == 2000
    press(browser, "j")
    wait(browser, lambda: marked(browser) == ["Line number 1"])
    browser.execute_script("document.querySelector('audio').currentTime = 27.5")
    wait(browser, lambda: marked(browser) == ["Line number 5"])
