"""Sending packs: the messages of one dispatch, in one round trip where kombu can."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from kombu.exceptions import KombuError, OperationalError

from pollers.attempt_task import ATTEMPT
from pollers.store import Pack

if TYPE_CHECKING:
    from celery import Celery


def send_packs(app: Celery, packs: Sequence[Pack], shard: int = 0) -> None:
    """Send a ``pollers.attempt`` for each pack of a shard.

    Raises:
        kombu.exceptions.OperationalError: The broker cannot be reached; what was not sent is due again
            when its lease ends.

    """
    if not packs:
        return
    with app.producer_or_acquire() as producer:
        # kombu 5.7 and up.
        together = getattr(producer, "batch", nullcontext) if len(packs) > 1 else nullcontext
        try:
            with together():
                for pack in packs:
                    _send(app, pack, shard, producer)
        except OperationalError:
            raise
        except KombuError:
            # It is not known which of them have arrived; one that arrives twice is begun once.
            for pack in packs:
                _send(app, pack, shard, producer)


def _send(app: Celery, pack: Pack, shard: int, producer: Any) -> None:
    size = len(pack.polls) // 3
    app.send_task(
        ATTEMPT,
        args=(pack.id, pack.queue, pack.polls, *((shard,) if shard else ())),
        argsrepr=f"{size} polls" if size > 1 else f"attempt {pack.polls[1]} of {pack.polls[0]}",
        ignore_result=True,
        producer=producer,
        **({"queue": pack.queue} if pack.queue else {}),
    )
