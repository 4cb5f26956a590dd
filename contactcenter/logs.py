"""One event, one line of JSON. Fields beginning `pii.` are dropped: logs carry no personal data."""

import json
import logging
import re
from datetime import UTC, datetime

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Django's own: its repr holds the whole query, in which somebody may have looked for a number
_DROPPED = {"request"}
# a carrier's hook is let in by the token in its path, and Django tells paths of refused requests
_TOKEN = re.compile(r"(/hooks/carriers/)[^/\s?&\"'\\]+")


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {
            key: value
            for key, value in vars(record).items()
            if key not in _STANDARD | _DROPPED and not key.startswith(("pii.", "_"))
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return _TOKEN.sub(r"\1***", json.dumps(line, default=str))
