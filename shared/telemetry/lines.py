"""Turns events into log lines: the only file that knows how a line looks ◆

Code logs events as data: ``log.info("client connected", extra={"event": "client.connected", "user": user})``. The
message is for people, ``event`` is the name a program searches for, everything else in ``extra`` is a field.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from shared.telemetry.redact import MASK, is_secret_name, redact

MAX_FIELD = 500
"""Characters of one field or message; the rest is cut, for what clients send ends up here."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def fields(record: logging.LogRecord) -> dict[str, object]:
    """Return what was given as ``extra``, masked and cut; what is None was not given."""
    given = ((name, value) for name, value in vars(record).items() if name not in _STANDARD)
    return {name: _clean(name, value) for name, value in given if value is not None}


class TextLines(logging.Formatter):
    """For people: ``12:00:01.123 INFO    gateway.app: client connected  event=client.connected user=ada``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and the lines of a traceback."""
        at = datetime.fromtimestamp(record.created)
        data = "".join(f" {name}={_word(value)}" for name, value in fields(record).items())
        line = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} {record.levelname:<7} {record.name}: {_message(record)}"
        trace = _traceback(self, record)
        return line + (f" {data}" if data else "") + (f"\n{trace}" if trace else "")


class JsonLines(logging.Formatter):
    """For programs: one JSON object a line, ``at`` (RFC 3339, UTC), ``level``, ``logger``, ``event``, ``message`` …"""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        data = fields(record)
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": data.pop("event", None),
            "message": _message(record),
        }
        line |= {name: value for name, value in data.items() if name not in line}
        if trace := _traceback(self, record):
            line["traceback"] = trace
        return json.dumps({name: value for name, value in line.items() if value is not None}, ensure_ascii=True)


def _message(record: logging.LogRecord) -> str:
    return _one_line(redact(record.getMessage()))


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return redact(formatter.formatException(record.exc_info)) if record.exc_info and record.exc_info[0] else ""


def _clean(name: str, value: object) -> object:
    if is_secret_name(name):
        return MASK
    if isinstance(value, bool | int | float):
        return value
    return _one_line(redact(str(value)))


def _one_line(text: str) -> str:
    """Cut `text`, and write its line breaks and control characters out: nobody but us begins a line."""
    if len(text) > MAX_FIELD:
        text = text[:MAX_FIELD] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _word(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or " " in text or '"' in text or "=" in text else text
