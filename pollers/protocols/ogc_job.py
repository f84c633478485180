"""``"ogc-job"``: the jobs of OGC API - Processes.

Source: OGC 18-062r2, "OGC API - Processes - Part 1: Core", sections 7.11 to 7.13 and Table 10:

- A process is executed by POST; the answer is 201 with the job in ``Location``, or, where the service
  worked at once, 200 or 204 with the result. ``Prefer: respond-async`` asks for the former.
- The job tells its ``status``: accepted, running, successful, failed, dismissed; ``message`` and
  ``progress`` beside it.
- The results of a successful job are where its link of relation ``results`` leads, else at
  ``<job>/results``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pollers.answer import Answer
from pollers.conditions import (
    Decision,
    NotApplicable,
    by_status,
    failed,
    lead,
    mapping,
    members,
    pending,
    succeeded,
)
from pollers.progress import Progress
from pollers.spec import PollSpec

_RESULTS = frozenset({"results", "http://www.opengis.net/def/rel/ogc/1.0/results", "[ogc-rel:results]"})


class Job:
    """The convention of OGC API - Processes."""

    def read(self, spec: PollSpec, progress: Progress, answer: Answer) -> Decision:
        """Return what the answer to the execution, of the job, or of its results means."""
        if not 200 <= (answer.status or 0) < 300:
            return _refused(answer)
        if spec.start and not progress.url:
            job = lead(answer, answer.headers.get("Location"))
            if answer.status == 201 or (answer.status == 202 and job):
                return pending("the job is accepted", next_url=job)
            return succeeded(spec, answer.value())
        if progress.notes == {"follows": "results"}:
            return succeeded(spec, answer.value())
        return _by_status(mapping(answer), answer)


def _by_status(job: Mapping[str, Any], answer: Answer) -> Decision:
    status = str(job.get("status", "")).lower()
    if not status:
        raise NotApplicable("the job has no status")
    if status == "successful":
        place = lead(answer, _link(job)) or lead(answer, _below(answer.url))
        return pending("the results are ready", next_url=place, notes={"follows": "results"}, at_once=True)
    if status in ("failed", "dismissed"):
        return failed(str(job.get("message") or f"the job was {status}"))
    return pending(f"the job is {status}", value=dict(job))


def _link(job: Mapping[str, Any]) -> Any:
    links = job.get("links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, Mapping) and link.get("rel") in _RESULTS:
            return link.get("href")
    return None


def _below(url: str) -> str:
    return url.partition("?")[0].rstrip("/") + "/results"


def _refused(answer: Answer) -> Decision:
    """Return what an exception means, by its status and, in its words (RFC 7807), the reason."""
    decision = by_status(answer)
    problem = members(answer)
    words = problem.get("detail") or problem.get("title")
    if decision.transient or not words:
        return decision
    return failed(f"HTTP {answer.status}: {words}", rejected=True)
