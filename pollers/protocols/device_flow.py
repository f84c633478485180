"""``"device-flow"``: waiting until a user has let a device in, by OAuth 2.0.

Source: RFC 8628, section 3.5, and RFC 6749, section 5.2. The token endpoint is asked by POST:

- ``authorization_pending``, in a 400: not yet.
- ``slow_down``: not yet, and from now on every wait is 5 seconds longer.
- ``access_denied``, ``expired_token`` and any other error: it has failed.
- After a timeout, the polling must become slower: the wait doubles.
- A 2xx has the token. Some services write the errors in a 200; they are errors all the same.
"""

from __future__ import annotations

from pollers.answer import Answer
from pollers.conditions import Decision, by_status, failed, mapping, members, pending, succeeded
from pollers.progress import Progress
from pollers.spec import PollSpec

#: Seconds that each ``slow_down`` adds.
SLOWER = 5.0


class DeviceFlow:
    """The convention of device access token requests."""

    #: Each timeout doubles the wait from then on.
    timeouts_slow_down = True

    def read(self, spec: PollSpec, progress: Progress, answer: Answer) -> Decision:
        """Return what the token endpoint says."""
        success = 200 <= (answer.status or 0) < 300
        body = mapping(answer) if success else members(answer)
        error = body.get("error")
        if error == "authorization_pending":
            return pending("the user has not decided yet")
        if error == "slow_down":
            return pending("the service asks for a slower pace", slower=SLOWER)
        if success and not error:
            return succeeded(spec, body)
        decision = by_status(answer)
        if decision.transient or not isinstance(error, str):
            return decision
        description = body.get("error_description")
        return failed(f"{error}: {description}" if description else error)
