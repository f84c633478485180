"""``"accepted"``: 202 Accepted with a ``Location`` to look at, until something else comes.

Source: RFC 9110, section 15.3.3, which leaves the form to practice ("ought to ... point to (or embed) a
status monitor"), and 15.3.2, 10.2.2, 10.2.3, 15.4.4:

- 202: not yet. Its ``Location``, absolute or relative to the URL that answered, is where to ask next;
  without one, the same URL is asked again. ``Retry-After`` is obeyed.
- 200, 201, 204: the result. 303 See Other leads to it by GET, as redirects do on their own.
- Many services answer 200 all along, or start with 201 and a ``Location``, and tell the state in the
  body: then `until` and `fail_when` decide, as without a convention.
"""

from __future__ import annotations

from dataclasses import replace

from pollers.answer import Answer
from pollers.conditions import Decision, NotApplicable, by_conditions, lead, pending
from pollers.progress import Progress
from pollers.spec import PollSpec


class Accepted:
    """The convention of 202 and ``Location``."""

    def read(self, spec: PollSpec, progress: Progress, answer: Answer) -> Decision:
        """Return what the conditions say, and follow the ``Location`` of what is pending."""
        location = lead(answer, answer.headers.get("Location"))
        try:
            decision = by_conditions(spec, answer)
        except NotApplicable:
            # Created, without a body that could tell the state.
            if answer.status != 201 or location is None:
                raise
            return pending("HTTP 201 leads to the operation", next_url=location)
        if decision.state == "pending" and answer.status in (201, 202):
            return replace(decision, next_url=location)
        return decision
