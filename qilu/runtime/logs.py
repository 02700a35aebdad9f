"""Log lines as text or as JSON, written by a thread so that nothing ever waits for a terminal."""

from __future__ import annotations

import json
import logging
import queue
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import Any, Literal, TextIO

from qilu.contract.text_escaping import plain, plain_json, plain_lines
from qilu.runtime.redaction import redacted

Form = Literal["text", "json"]

_ROOM = 10_000
"""Lines that may wait for a slow reader; more are dropped, counted and reported."""

_TALKATIVE = ("aiomqtt", "amqtt", "asyncio", "mqtt", "transitions", "urllib3")
"""Loggers of libraries whose information is nothing that an operator can act on."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@contextmanager
def logging_to(stream: TextIO | None = None, *, level: str = "info", form: Form = "text") -> Iterator[None]:
    """Everything logged inside goes to `stream` (default: stderr); all of it is written on leaving."""
    output = logging.StreamHandler(stream or sys.stderr)
    output.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    lines: queue.Queue[logging.LogRecord] = queue.Queue(_ROOM)
    handler = _DroppingQueueHandler(lines)
    listener = _PatientListener(lines, output)
    root = logging.getLogger()
    before = root.level
    root.setLevel(level.upper())
    quiet = {name: logging.getLogger(name).level for name in _TALKATIVE} if level != "debug" else {}
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)
    root.addHandler(handler)
    listener.start()
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.log_dropped()
        listener.stop()  # waits for all that is in the queue to be written
        root.setLevel(before)
        for name, old in quiet.items():
            logging.getLogger(name).setLevel(old)


class TextFormatter(logging.Formatter):
    """`2025-11-23 06:20:01.123+08:00 WARNING gateway.sinks.mqtt: full depth=12`.

    Local time with its offset; the `extra` at the end.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).astimezone()
        line = f"{moment.isoformat(' ', 'milliseconds')} {record.levelname:7} {record.name}: "
        line += plain(record.getMessage())
        line += "".join(f" {key}={plain(str(value))}" for key, value in _fields(record).items())
        if record.exc_info:
            line += "\n" + plain_lines(self.formatException(record.exc_info))
        return redacted(line)


class JsonFormatter(logging.Formatter):
    """One object per line: time (UTC, RFC 3339), level, logger, message, what came as `extra`, exception."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        entry: dict[str, Any] = {
            "time": f"{moment:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return redacted(plain_json(json.dumps(entry, ensure_ascii=False, default=str)))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave as `extra`."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class _DroppingQueueHandler(QueueHandler):
    """Never waits for room: an outage must not end in a process that is busy with its own log."""

    def __init__(self, lines: queue.Queue[logging.LogRecord]) -> None:
        super().__init__(lines)
        self._lines = lines
        self._dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        # Unlike the original keeps exc_info and extra for the formatter, which is in this same process.
        record.msg, record.args = record.getMessage(), None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(record)
        except queue.Full:
            self._dropped += 1
            return
        if self._dropped and not self._lines.full():
            self.log_dropped(block=False)

    def log_dropped(self, *, block: bool = True) -> None:
        """Put the number of lost lines behind those that had room; without `block` only if there is some."""
        if not self._dropped:
            return
        message = f"{self._dropped} log lines were dropped: the reader of the log is too slow"
        fields = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": message}
        try:
            self._lines.put(logging.makeLogRecord(fields), block)
        except queue.Full:
            return
        self._dropped = 0


class _PatientListener(QueueListener):
    """Waits for room for its last line, where the original fails on a full queue."""

    def enqueue_sentinel(self) -> None:
        self.queue.put(self._sentinel)  # type: ignore[attr-defined]  # as the original does, but waiting
