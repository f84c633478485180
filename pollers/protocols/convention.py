"""What a convention is."""

from __future__ import annotations

from typing import Protocol

from pollers.answer import Answer
from pollers.conditions import Decision
from pollers.progress import Progress
from pollers.spec import PollSpec


class Convention(Protocol):
    """Reads the answers of services that agree on how an asynchronous operation is followed.

    Registered once and used by all threads, so it keeps nothing itself. What it wants to remember of
    an answer goes into the decision: ``next_url`` and ``notes``, and comes back in ``progress``.
    `pollers.conditions` has the parts that most need: `by_status`, `mapping`, `members`, `pending`,
    `succeeded`, `failed`. A convention whose attribute ``timeouts_slow_down`` is true has its waits doubled
    by each timeout.
    """

    def read(self, spec: PollSpec, progress: Progress, answer: Answer) -> Decision:
        """Return what an answer, a response with any status, means for its poll.

        An answer without a response never gets here, nor one that `pending_on` names.

        Raises:
            NotApplicable: The body is not what the convention says; a transient error.

        """
        ...
