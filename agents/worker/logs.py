"""Logging of the worker: one JSON object on each line, without personal fields."""

import json
import logging
import sys
from datetime import UTC, datetime

# What these say in passing (transcripts, numbers, rooms) is not ours to keep.
_QUIET = (
    "livekit", "livekit.agents", "livekit.plugins", "livekit.rtc", "aiohttp", "httpx", "httpx2",
    "openai", "anthropic", "asyncio", "opentelemetry",
)  # fmt: skip
# Others are dropped: the framework's records hold rooms (named after the caller's number), whole
# jobs and what was said.
_PLAIN_FIELDS = frozenset(
    {
        "job", "digest", "plan", "worker", "reason", "attempt", "status", "count", "what",
        "pid", "job_id", "worker_id", "error", "words", "milliseconds", "seconds", "size", "n",
    }
)  # fmt: skip


class JsonFormatter(logging.Formatter):
    """Keeps the fields on the list; fields beginning `pii.` and unknown ones are dropped."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {k: v for k, v in vars(record).items() if k in _PLAIN_FIELDS}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:
            line["exception"] = record.exc_text
        return json.dumps(line, default=str)


def set_up(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
