"""Arm “stock”: the voice agent of LiveKit's own quick start, in our words, with every default.

Only addresses differ from what a newcomer writes: the providers' (emulators), the health page's
(loopback, a port of its own). It imports nothing of ours. `python -m … start` is production mode.
"""

import os

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli
from livekit.plugins import cartesia, deepgram, openai

server = AgentServer(host="127.0.0.1", port=int(os.environ["YARDSTICK_PORT"]))


class Assistant(Agent):
    def __init__(self) -> None:
        super().__init__(
            instructions="You answer the telephone of a bicycle shop. Be friendly and brief; "
            "your words are spoken, so use no lists and no symbols."
        )


@server.rtc_session(agent_name="yardstick-stock")
async def answer(ctx: JobContext) -> None:
    session: AgentSession[None] = AgentSession(
        stt=deepgram.STT(base_url=f"{os.environ['YARDSTICK_DEEPGRAM']}/v1/listen"),
        llm=openai.LLM(base_url=os.environ["YARDSTICK_OPENAI"]),
        tts=cartesia.TTS(base_url=os.environ["YARDSTICK_CARTESIA"]),
    )
    await session.start(agent=Assistant(), room=ctx.room)
    await session.generate_reply(instructions="Greet the caller and offer your help.")


if __name__ == "__main__":
    cli.run_app(server)
