"""The held task: a poll's own Celery task, kept in the store until its outcome is known.

What ``apply_async`` was called with is kept as JSON and given back to Celery's public ``send_task``
when the poll ends, so that results, links, chains and chords are Celery's own work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kombu.compression import encoders, get_encoder
from kombu.serialization import registry
from kombu.utils.json import dumps, loads

from pollers.canvas import inapplicable
from pollers.spec import PollSpec
from pollers.store import Record

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)

POLL = "pollers.poll"
#: Header that tells a published held task from a poll that was sent as a plain message.
HELD_HEADER = "pollers_held"

#: Characters of a text for monitors, as many as Celery allows the arguments of a task.
LONGEST_TEXT = 1024

#: Options of ``apply_async`` that Celery needs when the held task is published. The others are
#: about when and how the message travels, which the store answers.
KEPT = (
    *("link", "link_error", "chain", "chord", "group_id", "group_index", "root_id", "parent_id"),
    *("reply_to", "shadow", "headers", "priority", "exchange", "routing_key", "ignore_result"),
    *("compression", "replaced_task_nesting", "stamped_headers"),
)


def pack(options: dict[str, Any], poll_id: str) -> str:
    """Return the options worth keeping as JSON text; empty when there are none.

    Raises:
        kombu.exceptions.EncodeError: An option cannot be written as JSON.

    """
    stamps = {name: options[name] for name in options.get("stamped_headers") or ()}
    kept = {name: options[name] for name in KEPT if options.get(name)} | stamps
    if kept.get("root_id") == poll_id:
        del kept["root_id"]
    return dumps(kept) if kept else ""


def unusable(app: Celery, options: Mapping[str, Any]) -> dict[str, str]:
    """Return those options with which Celery cannot publish an outcome, each with what is wrong with it."""
    problems = inapplicable(options)
    if (compression := options.get("compression")) and not _has_encoder(str(compression)):
        problems["compression"] = f"is {compression!r}; kombu has {', '.join(encoders())}"
    if (serializer := options.get("serializer")) and str(serializer) not in registry.name_to_type:
        problems["serializer"] = f"is {serializer!r}; kombu has {', '.join(sorted(registry.name_to_type))}"
    if (headers := options.get("headers")) and not isinstance(headers, Mapping):
        problems["headers"] = "is no mapping"
    queue = options.get("queue")
    if isinstance(queue, str) and queue and not app.conf.task_create_missing_queues:
        known = app.amqp.queues
        if queue not in known and queue not in known.aliases:
            problems["queue"] = f"is {queue!r}; task_queues has {', '.join(known)}"
    return problems


def _has_encoder(compression: str) -> bool:
    try:
        get_encoder(compression)
    except KeyError:
        return False
    return True


def publish(
    app: Celery, poll_id: str, record: Record, on_damage: Callable[[], object] = lambda: None
) -> None:
    """Publish the held task of an ended poll; running it delivers the outcome.

    ``on_damage`` is called when somebody has damaged it, which costs its links.

    Raises:
        kombu.exceptions.OperationalError: The broker cannot be reached.

    """
    try:
        options = dict(loads(record.held)) if record.held else {}
    except (TypeError, ValueError):
        # The outcome is delivered all the same.
        logger.error("The options of poll %s are damaged; its links and chain are lost.", poll_id)
        on_damage()
        options = {}
    if record.queue:
        options["queue"] = record.queue
    for name, problem in unusable(app, options).items():
        # Where it was submitted, it was known.
        logger.error("The outcome of poll %s is published without %s, which %s.", poll_id, name, problem)
        del options[name]
    ignore_result = options.pop("ignore_result", False)
    headers = {**options.pop("headers", {}), HELD_HEADER: True, "ignore_result": ignore_result}
    spec = PollSpec.salvaged(record.spec)
    shown = spec.shown()
    argsrepr, kwargsrepr = texts(spec)
    app.send_task(
        POLL,
        args=(shown.pop("url"),),
        kwargs=shown,
        argsrepr=argsrepr,
        kwargsrepr=kwargsrepr,
        task_id=poll_id,
        root_id=options.pop("root_id", poll_id),
        retries=record.attempt,
        headers=headers,
        # The header above says what the application wants. Here it keeps the result backend from
        # subscribing this worker to the outcome, which only the application waits for.
        ignore_result=True,
        add_to_parent=False,
        **options,
    )


def texts(spec: PollSpec) -> tuple[str, str]:
    """Return a poll's url and its other parameters as monitors show them, without secrets."""
    shown = spec.shown()
    url = str(shown.pop("url"))
    # The conditions first: they tell polls of one service apart. Flower's search reads the mapping.
    names = sorted(shown, key=lambda name: name in {"method", "headers", "params", "json", "data"})
    return _shortened(url), _shortened(repr({name: shown[name] for name in names}))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "..."
