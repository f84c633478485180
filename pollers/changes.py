"""Telling the changes of answers: the signature `on_change` is sent once for each, in order.

A change is stored with the settlement of the attempt that found it, and sent after it. The store is
told when it was sent; where that fails, or a worker dies before, the next attempt or the end of the poll
sends it again, with the same number. So each is told at least once, whatever dies.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery.canvas import maybe_signature
from kombu.exceptions import OperationalError

from pollers import completion, held
from pollers.engine import Settled
from pollers.progress import Progress
from pollers.runtime import runtime_of
from pollers.spec import PollSpec
from pollers.store import Polls, Record

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)

#: In the text of a progress that has changes to tell.
_MARK = '"untold":'


def send(app: Celery, on_change: dict[str, Any], poll_id: str, number: int, value: Any) -> None:
    """Send the signature of one change: the value, and ``poll_id`` and ``change``, its number.

    The id of its task says the same, so that a change which is told twice can be recognised.
    """
    signature = maybe_signature(on_change, app=app)
    told = signature.clone(args=(value,), kwargs={"poll_id": poll_id, "change": number})
    told.apply_async(task_id=f"{poll_id}.{number}")


class Changes:
    """Tells the changes that the attempts of one process find, off the path of attempts."""

    def __init__(self, app: Celery, store: Polls) -> None:
        self._app = app
        self._store = store

    @cached_property
    def _teller(self) -> ThreadPoolExecutor:
        # One thread, so that changes of one poll are told in order.
        return ThreadPoolExecutor(1, "pollers-changes")

    def observe(self, settled: Iterable[Settled]) -> None:
        """Tell the changes in settled attempts whose polls wait again; an end is told by `end`."""
        for one in settled:
            settlement = one.settlement
            if one.accepted and settlement.state == "waiting" and _MARK in settlement.progress:
                self._teller.submit(self._tell, one.poll_id, one.record.spec, settlement.progress)

    def end(self, poll_id: str, record: Record) -> None:
        """Publish the held task of an ended poll, after its webhook and the changes that are not told yet.

        Raises:
            kombu.exceptions.OperationalError: The broker cannot be reached; `release` comes again.

        """
        if _MARK in record.progress:
            self._tell(poll_id, record.spec, record.progress, patiently=True)
        traced = runtime_of(self._app).tracing
        with traced.publishing(poll_id, record) if traced else nullcontext():
            if completion.MARK in record.spec:
                completion.tell(self._app, poll_id, record)
            held.publish(self._app, poll_id, record, lambda: self._store.note("damaged"))

    def _tell(self, poll_id: str, spec_text: str, progress_text: str, *, patiently: bool = False) -> None:
        try:
            spec, progress = PollSpec.from_json(spec_text), Progress.from_json(progress_text)
            for number, value in progress.untold:
                send(self._app, spec.on_change, poll_id, number, value)
            told = progress._replace(untold=())
            self._store.told(poll_id, progress_text, told.to_json())
        except OperationalError:
            if patiently:
                raise
            logger.warning("Changes of poll %s are told with its next attempt: no broker.", poll_id)
        except Exception:
            logger.exception("Changes of poll %s cannot be told.", poll_id)
