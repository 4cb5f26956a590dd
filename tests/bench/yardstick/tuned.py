"""Arm “tuned”: the stock sample with every documented setting that makes it faster.

Early voice as well as early model, a low floor of the end-of-turn wait, a short silence for the
voice detector, interruptions after 0.3 s, no echo warm-up (a telephone has no echo of ours), the
greeting said instead of thought up, twice the idle processes, and admission by slots, not by CPU.
"""

import os

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli, inference
from livekit.plugins import cartesia, deepgram, openai

SLOTS = 20  # as many as ours

server = AgentServer(
    host="127.0.0.1",
    port=int(os.environ["YARDSTICK_PORT"]),
    num_idle_processes=4,
    load_fnc=lambda worker: len(worker.active_jobs) / SLOTS,
    load_threshold=0.99,
)


class Assistant(Agent):
    def __init__(self) -> None:
        super().__init__(
            instructions="You answer the telephone of a bicycle shop. Be friendly and brief; "
            "your words are spoken, so use no lists and no symbols."
        )


@server.rtc_session(agent_name="yardstick-tuned")
async def answer(ctx: JobContext) -> None:
    session: AgentSession[None] = AgentSession(
        stt=deepgram.STT(base_url=f"{os.environ['YARDSTICK_DEEPGRAM']}/v1/listen"),
        llm=openai.LLM(base_url=os.environ["YARDSTICK_OPENAI"]),
        tts=cartesia.TTS(base_url=os.environ["YARDSTICK_CARTESIA"]),
        vad=inference.VAD(min_silence_duration=0.25),
        turn_handling={
            "turn_detection": inference.TurnDetector(version="v1-mini"),
            "endpointing": {"min_delay": 0.15},
            "interruption": {"mode": "vad", "min_duration": 0.3},
            "preemptive_generation": {"enabled": True, "preemptive_tts": True},
        },
        aec_warmup_duration=None,
    )
    await session.start(agent=Assistant(), room=ctx.room)
    await session.say(os.environ["YARDSTICK_GREETING"])


if __name__ == "__main__":
    cli.run_app(server)
