"""One event is one line, whatever a client put into it."""

from __future__ import annotations

import json
import logging
import sys

from catenary_server.logs import FIELD_LIMIT, JsonFormatter, TextFormatter


def record(message: str, **extra: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "levelname": "INFO", "levelno": logging.INFO, **extra})


def test_text_escapes_what_could_forge_a_line() -> None:
    line = TextFormatter().format(record("hello\n[INFO] forged \x1b[31m", session="a\u202eb"))
    assert line == "[INFO] hello\\n[INFO] forged \\x1b[31m session=a\\u202eb"


def test_json_is_one_object_a_line_with_the_extras() -> None:
    event = json.loads(JsonFormatter().format(record("x" * (FIELD_LIMIT + 5), session="a\nb")))
    assert event["level"] == "info"
    assert event["session"] == "a\nb"
    assert len(event["message"]) == FIELD_LIMIT


def test_a_stack_trace_stays_with_its_event() -> None:
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        failed = record("failed", exc_info=sys.exc_info())
    assert "RuntimeError: broken" in TextFormatter().format(failed)
    assert "RuntimeError: broken" in json.loads(JsonFormatter().format(failed))["stack"]
