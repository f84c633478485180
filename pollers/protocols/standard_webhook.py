"""``"standard-webhook"``: a message that is sent until its receiver has acknowledged it.

Source: Standard Webhooks, "Operational considerations": any 2xx acknowledges the message, 410 says that no
more are wanted, and after all else it is sent again, later and later.
"""

from __future__ import annotations

from pollers.answer import Answer
from pollers.conditions import Decision, failed, pending, succeeded
from pollers.progress import Progress
from pollers.spec import PollSpec


class StandardWebhook:
    """The convention of Standard Webhooks, from the side of the sender."""

    def read(self, spec: PollSpec, progress: Progress, answer: Answer) -> Decision:
        """Return what the answer of the receiver means."""
        status = answer.status or 0
        if 200 <= status < 300:
            return succeeded(spec, status)
        if status == 410:
            return failed("the receiver wants no more webhooks (HTTP 410)", rejected=True)
        return pending(f"HTTP {status}", transient=True)
