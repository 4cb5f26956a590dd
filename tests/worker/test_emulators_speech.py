"""The speech emulators, spoken to by the stock plugins: text and audio come back, keys count."""

import asyncio

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, APIStatusError, stt, tts
from livekit.agents.utils import http_context
from livekit.plugins import assemblyai, cartesia, deepgram, elevenlabs

from tests.emulators import hearing, speech
from tests.emulators.core import Board, Script
from tests.emulators.fingerprint import Book
from tests.emulators.server import Emulators
from tests.worker.plan import FAQ, _through_g711, on_the_phone

pytestmark = pytest.mark.worker

ASKED = ["What are your opening hours?", "Do you rent bicycles?", "Where is your shop?"]
SCRIPT = [text for entry in FAQ for text in (entry.question, *entry.variants)]
UNKNOWN = "Please transfer me to the accounting department."
ANSWER = "We are open from nine to six. Have a nice day."
ONCE = APIConnectOptions(max_retry=0, timeout=5)
RATE = 16_000
Kind = stt.SpeechEventType


@pytest.fixture
async def emulators():
    async with Emulators("zero", Script.of(SCRIPT)) as running, http_context.open():
        yield running


def ears(emulators: Emulators, which: str, key: str = "k") -> stt.STT:
    """A stock plugin which listens to the emulator."""
    root = emulators.url(which.partition(" ")[0])
    if which == "assemblyai":
        return assemblyai.STT(api_key=key, base_url=root.replace("http", "ws", 1))
    if which == "deepgram flux":
        return deepgram.STTv2(api_key=key, base_url=f"{root}/v2/listen")
    return deepgram.STT(api_key=key, base_url=f"{root}/v1/listen")


def voice(emulators: Emulators, which: str, key: str = "k") -> tts.TTS:
    """A stock plugin which lets the emulator speak."""
    root = emulators.url(which.partition(" ")[0])
    if which == "cartesia":
        return cartesia.TTS(api_key=key, base_url=root)
    if which == "elevenlabs":
        return elevenlabs.TTS(api_key=key, base_url=root)
    if which == "elevenlabs pcm":
        return elevenlabs.TTS(api_key=key, base_url=root, encoding="pcm_16000")
    return deepgram.TTS(api_key=key, base_url=f"{root}/v1/speak")


def frames_of(pcm: bytes, *, ms: int = 20) -> list[rtc.AudioFrame]:
    size = RATE * ms // 1000 * 2
    parts = [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]
    return [rtc.AudioFrame(part, RATE, 1, size // 2) for part in parts]


def silence(seconds: float) -> bytes:
    return bytes(int(seconds * RATE) * 2)


async def events_of(engine: stt.STT, pcm: bytes, *, ends: int = 1) -> list[stt.SpeechEvent]:
    """Until speech has ended so often. The stream stays open: Deepgram's takes 5 s to close."""
    events: list[stt.SpeechEvent] = []
    async with asyncio.timeout(20), engine.stream(conn_options=ONCE) as stream:
        for frame in frames_of(pcm):
            stream.push_frame(frame)
        while [event.type for event in events].count(Kind.END_OF_SPEECH) < ends:
            events.append(await anext(stream))
    return events


def finals(events: list[stt.SpeechEvent]) -> list[str]:
    return [e.alternatives[0].text for e in events if e.type is Kind.FINAL_TRANSCRIPT]


async def heard_from(engine: tts.TTS, text: str = ANSWER) -> np.ndarray:
    async with asyncio.timeout(20), engine.stream(conn_options=ONCE) as stream:
        for word in text.split(" "):
            stream.push_text(f"{word} ")
        stream.end_input()
        frames = [event.frame async for event in stream]
    await engine.aclose()
    return at_16k(frames)


def at_16k(frames: list[rtc.AudioFrame]) -> np.ndarray:
    whole = rtc.combine_audio_frames(frames)
    return speech.resampled(np.frombuffer(whole.data, np.int16), RATE, whole.sample_rate)


async def sentences(pcm: np.ndarray) -> str | None:
    """Which of the answer's sentences `pcm` is, heard by a recogniser which knows only those."""
    book = Book()
    await book.learn(["We are open from nine to six.", "Have a nice day.", "Good-bye.", ANSWER])
    return hearing.text_of(book, pcm, RATE)


@pytest.mark.parametrize("speaker", speech.VOICES)
@pytest.mark.parametrize("which", ["deepgram", "deepgram flux", "assemblyai"])
async def test_an_stt_knows_what_was_said_on_a_telephone(which, speaker, emulators):
    said = [await on_the_phone(text, voice=speaker) for text in ASKED]
    events = await events_of(ears(emulators, which), silence(0.4).join([*said, b""]), ends=3)
    assert finals(events) == ASKED


@pytest.mark.parametrize("which", ["deepgram", "deepgram flux", "assemblyai"])
async def test_an_stt_tells_when_speech_begins_and_its_first_words_before_its_end(which, emulators):
    events = await events_of(ears(emulators, which), await on_the_phone(ASKED[0]) + silence(0.5))
    kinds = [event.type for event in events if event.type is not Kind.RECOGNITION_USAGE]
    interims = [e.alternatives[0].text for e in events if e.type is Kind.INTERIM_TRANSCRIPT]
    assert kinds[0] is Kind.START_OF_SPEECH
    assert kinds[-2:] == [Kind.FINAL_TRANSCRIPT, Kind.END_OF_SPEECH]
    early = [text for text in interims if text != ASKED[0]]
    assert early
    assert all(ASKED[0].lower().startswith(text.lower()) for text in early)


async def test_words_have_their_place_in_the_audio(emulators):
    events = await events_of(
        ears(emulators, "deepgram"), silence(1) + await on_the_phone(ASKED[0]) + silence(0.5)
    )
    (final,) = [e.alternatives[0] for e in events if e.type is Kind.FINAL_TRANSCRIPT]
    assert 1.0 <= final.start_time < final.end_time < 3.5
    assert [str(word) for word in final.words or []] == ASKED[0].split()


@pytest.mark.parametrize("which", ["deepgram", "deepgram flux"])
async def test_what_is_not_in_the_script_leaves_no_text(which, emulators):
    events = await events_of(ears(emulators, which), await on_the_phone(UNKNOWN) + silence(0.5))
    assert finals(events) == []
    assert Kind.END_OF_SPEECH in [event.type for event in events]


async def test_a_file_is_read_as_a_whole(emulators):
    pcm = await on_the_phone(ASKED[1], voice="awb") + silence(0.3)
    event = await ears(emulators, "deepgram").recognize(frames_of(pcm), conn_options=ONCE)
    assert event.alternatives[0].text == ASKED[1]


async def test_flux_guesses_the_end_and_takes_it_back(emulators):
    """A pause of 150 ms amid a vowel: perhaps the end, and then it was not."""
    root = emulators.url("deepgram")
    engine = deepgram.STTv2(api_key="k", base_url=f"{root}/v2/listen", eager_eot_threshold=0.4)
    pcm = await on_the_phone(ASKED[0])
    vowel = int(np.argmax(np.abs(np.frombuffer(pcm, np.int16)))) * 2
    events = await events_of(engine, pcm[:vowel] + silence(0.15) + pcm[vowel:] + silence(0.5))
    lines = [line["what"] for line in emulators.board.log if line["what"] in ("eager", "resumed")]
    assert lines[:2] == ["eager", "resumed"]
    assert lines[-1] == "eager"
    assert Kind.PREFLIGHT_TRANSCRIPT in [event.type for event in events]


@pytest.mark.parametrize("which", ["deepgram", "cartesia", "elevenlabs", "elevenlabs pcm"])
async def test_a_tts_speaks_what_was_streamed_to_it(which, emulators):
    spoken = await heard_from(voice(emulators, which))
    assert await sentences(spoken) == ANSWER


@pytest.mark.parametrize("which", ["deepgram", "cartesia", "elevenlabs", "elevenlabs pcm"])
async def test_a_tts_speaks_a_whole_text(which, emulators):
    engine = voice(emulators, which)
    async with asyncio.timeout(20), engine.synthesize(ANSWER, conn_options=ONCE) as stream:
        spoken = at_16k([event.frame async for event in stream])
    await engine.aclose()
    assert await sentences(spoken) == ANSWER


@pytest.mark.parametrize("which", ["deepgram", "cartesia", "elevenlabs"])
async def test_a_connection_carries_one_answer_after_another(which, emulators):
    engine = voice(emulators, which)
    for text in ("Have a nice day.", "Good-bye."):
        async with asyncio.timeout(20), engine.stream(conn_options=ONCE) as stream:
            stream.push_text(text)
            stream.end_input()
            spoken = at_16k([event.frame async for event in stream])
        assert await sentences(spoken) == text
    await engine.aclose()
    connections = {line["connection"] for line in emulators.board.log}
    assert len(connections) == 1


@pytest.mark.parametrize("which", ["cartesia", "elevenlabs"])
async def test_words_are_timed_where_the_provider_times_them(which, emulators):
    engine = voice(emulators, which)
    async with asyncio.timeout(20), engine.stream(conn_options=ONCE) as stream:
        stream.push_text(ANSWER)
        stream.end_input()
        timed = [word async for event in stream for word in event.frame.userdata.get(
            "lk.timed_transcripts", []
        )]  # fmt: skip
    await engine.aclose()
    assert "".join(timed).split() == ANSWER.split()
    assert [word.start_time for word in timed] == sorted(word.start_time for word in timed)


@pytest.mark.parametrize("which", ["deepgram", "deepgram flux"])
async def test_a_wrong_key_does_not_listen(which, emulators):
    with pytest.raises(APIStatusError) as raised:
        await events_of(ears(emulators, which, key="bad"), silence(0.2))
    assert raised.value.status_code == 401


async def test_assemblyai_tells_a_wrong_key_on_an_open_socket(emulators):
    with pytest.raises(APIStatusError) as raised:
        await events_of(ears(emulators, "assemblyai", key="bad"), silence(0.2))
    assert raised.value.status_code == 1008


@pytest.mark.parametrize("which", ["deepgram", "cartesia", "elevenlabs"])
async def test_a_wrong_key_does_not_speak(which, emulators):
    with pytest.raises(APIError) as raised:
        await heard_from(voice(emulators, which, key="bad"))
    assert getattr(raised.value, "status_code", None) == 401


@pytest.mark.parametrize("speaker", speech.VOICES)
async def test_a_sentence_is_known_though_quiet_noisy_and_without_its_beginning(speaker):
    book, rng = Book(), np.random.default_rng(3)
    await book.learn(SCRIPT)
    for text in ASKED:
        pcm = np.frombuffer(await on_the_phone(text, voice=speaker), np.int16)
        begun = int(np.flatnonzero(np.abs(pcm) > 1000)[0])
        noise = rng.normal(0, 32768 * 10 ** (-50 / 20), len(pcm))
        for changed in (pcm // 8, pcm[begun + RATE // 10 :], pcm + noise):
            assert hearing.text_of(book, changed.astype(np.int16), RATE) == text


async def test_a_marker_is_found_again_behind_a_telephone_and_no_other():
    board = Board("zero", marked=True)
    pcm = await board.voice("Good-bye.", RATE)
    heard = np.frombuffer(silence(0.5) + _through_g711(pcm.tobytes()), np.int16)
    place = speech.find_marker(heard, RATE, 1)
    assert place == pytest.approx(0.5, abs=0.005)
    assert [n for n in range(40) if speech.find_marker(heard, RATE, n) is not None] == [1]
