"""How a worker writes its log: as JSON where that is asked for, and without Celery's lines about packs."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from celery import current_task, signals
from celery.exceptions import Ignore

from pollers.plain_json import finite
from pollers.redaction import MASK, is_secret

#: What every record of the standard library has, and what is written in another way; the rest is fields.
_STANDARD = vars(logging.makeLogRecord({})).keys() | {"asctime", "message", "taskName", "data"}
#: Levels of lists and mappings in a field that are written.
_DEEPEST = 20
#: Celery's loggers that have handlers of their own beside the root's.
_CELERY_LOGGERS = ("celery", "celery.task", "celery.redirected")
#: Celery's loggers that write a line when a task arrives, when it ends, and when it is revoked.
_TASK_LOGGERS = ("celery.worker.strategy", "celery.app.trace", "celery.worker.request")
#: How the one line of them begins that has no fields but a name and an id.
_REVOKED = "Discarding revoked task"


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON: what it says, its fields, and the Celery task that it is from.

    Values of fields whose names look secret are masked.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. It raises nothing, whatever the record has: that would reach who has logged it."""
        own: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        try:
            text = json.dumps(self._line(record, own), ensure_ascii=False, allow_nan=False)
        except Exception as error:
            text = json.dumps({**own, "unwritten": f"{type(error).__name__} in a field"}, ensure_ascii=False)
        # Half a surrogate pair has no bytes.
        return text.encode(errors="replace").decode()

    def _line(self, record: logging.LogRecord, own: dict[str, Any]) -> Any:
        own = {**own, **_task(record)}
        if record.exc_info:
            own["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            own["stack"] = self.formatStack(record.stack_info)
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        # Its own names first in the line, and last, so that no field takes their place.
        return _writable({**own, **fields, **own})


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        return f"{_text(record.msg)} (with arguments that do not fit)"


def _writable(value: Any, around: tuple[int, ...] = ()) -> Any:
    """Return what JSON can have of a value: names as text, secrets masked, and an end to what is nested."""
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        if id(value) in around or len(around) == _DEEPEST:
            return "..."
        around = (*around, id(value))
        if not isinstance(value, Mapping):
            return [_writable(inner, around) for inner in value]
        named = ((_text(name), inner) for name, inner in value.items())
        return {name: MASK if is_secret(name) else _writable(inner, around) for name, inner in named}
    return finite(value) if value is None or isinstance(value, str | int | float) else _text(value)


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _task(record: logging.LogRecord) -> dict[str, Any]:
    """Return the id and the name of the task that a record is about, or is written in."""
    data = getattr(record, "data", None)
    if isinstance(data, Mapping) and "id" in data:
        return {"task_id": data["id"], "task_name": data.get("name")}
    request = getattr(current_task, "request", None)
    return {"task_id": request.id, "task_name": current_task.name} if request and request.id else {}


class WithoutTasks(logging.Filter):
    """Leaves out what Celery writes at INFO of tasks by their names, unless the logger is set to DEBUG.

    Packs come many times a second, and of a poll's end there is a line of ours.
    """

    def __init__(self, names: Collection[str], outcomes: type[BaseException]) -> None:
        """``outcomes`` are the errors that the lines which are left out may tell."""
        super().__init__()
        self._names = names
        # A held task whose poll was cancelled is ignored, as all is done for it.
        self._expected = tuple(sorted(_names_of(outcomes) | _names_of(Ignore)))

    def filter(self, record: logging.LogRecord) -> bool:
        name, error = _subject(record)
        if record.levelno != logging.INFO or name not in self._names:
            return True
        if logging.getLogger(record.name).isEnabledFor(logging.DEBUG):
            return True
        return error is not None and not str(error).startswith(self._expected)


def _subject(record: logging.LogRecord) -> tuple[Any, Any]:
    """Return the name of the task that a line of Celery is about, and the error that it tells."""
    if isinstance(record.args, Mapping):
        return record.args.get("name"), record.args.get("exc")
    return (record.args[0] if record.args and str(record.msg).startswith(_REVOKED) else None), None


def _names_of(error: type[BaseException]) -> set[str]:
    return {error.__name__}.union(*map(_names_of, error.__subclasses__()))


def set_up(form: str, tasks: Collection[str], outcomes: type[BaseException]) -> None:
    """Set up the log of this worker: its form, ``text`` or ``json``, and which tasks it leaves out.

    A log that the application has made itself (Celery's signal ``setup_logging``) keeps its formatters.
    """
    for name in _TASK_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, WithoutTasks) for one in logger.filters):
            logger.addFilter(WithoutTasks(tasks, outcomes))
    if form == "json" and not signals.setup_logging.receivers:
        formatter = JsonFormatter()
        for logger in (logging.getLogger(), *map(logging.getLogger, _CELERY_LOGGERS)):
            for handler in logger.handlers:
                handler.setFormatter(formatter)
