"""Imported once by the fork server: loads what every call process would load for itself.

Only things which survive a fork: imports, mapped files, weights; no threads, no event loop.
"""

import contextlib
import functools
import importlib
from typing import Any

from livekit.agents import llm
from livekit.agents.utils import http_context

from agents.worker import tools
from agents.worker.embedded import meaning

# imported by a session or a client on its first use
LATE = ("livekit.agents.llm.async_toolset", "anyio._backends._asyncio")
# module and function which parse the whole CA bundle for each client, 0.07 s or more with a caller
# waiting; and how a client is made
CLIENTS = (
    ("httpcore2", "default_ssl_context", "httpx2"),
    ("httpx._transports.default", "create_ssl_context", "httpx"),
)


def _import_late() -> None:
    for name in LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _one_trust_store() -> None:
    """All HTTP clients of a process share what they trust, as the framework's own do."""
    for name, function, client in CLIENTS:
        with contextlib.suppress(ImportError, AttributeError):
            module: Any = importlib.import_module(name)
            setattr(module, function, functools.cache(getattr(module, function)))
            importlib.import_module(client).AsyncClient()
    with contextlib.suppress(AttributeError):
        http_context._create_ssl_context()


def _first_use() -> None:
    """Pydantic and inspect build their models on first use: 0.1 s which no call should wait for."""
    tools.tools_of(tools.Nobody())
    call = llm.FunctionToolCall(name="", arguments="", call_id="")
    llm.ChatChunk(id="", delta=llm.ChoiceDelta(role="assistant", content="", tool_calls=[call]))
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="")
    context.copy()


_import_late()
_one_trust_store()
_first_use()
# a worker for cloud providers only has no local model
with contextlib.suppress(ImportError):
    meaning.model()
