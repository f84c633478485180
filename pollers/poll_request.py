"""What a worker makes of the message of a poll."""

from __future__ import annotations

from celery.worker.request import Request

from pollers.held import HELD_HEADER


class PollRequest(Request):
    """A request that runs although its id is revoked, when it is that of a held task.

    The held task tells everyone how its poll has ended, as cancelled for instance. Discarded, it would be
    published again and again.
    """

    def revoked(self) -> bool:
        """Return whether the worker is to discard the message."""
        return not self._request_dict.get(HELD_HEADER) and bool(super().revoked())
