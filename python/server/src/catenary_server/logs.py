"""Log records as lines: one event, one line, whatever a client managed to put into it."""

from __future__ import annotations

import json
import logging
import time

FIELD_LIMIT = 2000
"""Characters of one field that are kept."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class TextFormatter(logging.Formatter):
    """`[INFO] message key=value`, for people."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; control characters appear escaped, a stack trace follows on lines of its own."""
        extras = "".join(f" {key}={_plain(str(value))}" for key, value in _extras(record).items())
        line = f"[{record.levelname}] {_plain(record.getMessage())}{extras}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, also with a stack trace."""
        event: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:FIELD_LIMIT],
        }
        event |= {key: str(value)[:FIELD_LIMIT] for key, value in _extras(record).items()}
        if record.exc_info:
            event["stack"] = self.formatException(record.exc_info)
        return json.dumps(event)


def configure(level: str, style: str) -> None:
    """Log to standard error at a level (`debug` ... `error`) in a style (`text` or `json`)."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[:FIELD_LIMIT])
