"""Imported once by the fork server: loads what every call process would load for itself.

Only things which survive a fork: imports, mapped files, weights; no threads, no event loop.
"""

import contextlib

from livekit.agents import llm

from agents.worker import tools
from agents.worker.embedded import meaning


def _first_use() -> None:
    """Pydantic and inspect build their models on first use: 0.1 s which no call should wait for."""
    tools.tools_of(tools.Nobody())
    call = llm.FunctionToolCall(name="", arguments="", call_id="")
    llm.ChatChunk(id="", delta=llm.ChoiceDelta(role="assistant", content="", tool_calls=[call]))
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="")
    context.copy()


_first_use()
# a worker for cloud providers only has no local model
with contextlib.suppress(ImportError):
    meaning.model()
