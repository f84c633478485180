"""``RateLimit`` and ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers), and their forerunners.

Read where ``pollers_rate_limit_headers`` is on. Only "nothing left" matters here: then the origin is held
until its window is over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

#: A reset of more seconds than this is a moment: epoch seconds.
_EPOCH = 1_000_000_000
#: Of an item of the draft's lists, ``"default";r=0;t=30``, and of its early form: ``remaining=0, reset=30``.
_PARAMETER = re.compile(r"\b(r|t|w|remaining|reset)=(\d{1,12})")
_NAME = re.compile(r"^\s*\"([^\"]*)\"")


def exhausted_for(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until the origin has something left again; None when it has, or does not say.

    ``now`` is epoch seconds. Of several policies, the one that is exhausted longest counts.
    """
    waits = [wait for text in headers.get("RateLimit", "").split(",") if (wait := _item(text, headers))]
    if early := _early(headers.get("RateLimit", "")):
        waits.append(early)
    for prefix in ("RateLimit", "X-RateLimit", "X-Rate-Limit"):
        remaining, reset = (headers.get(f"{prefix}-{name}", "").strip() for name in ("Remaining", "Reset"))
        if remaining == "0" and reset.isascii() and reset.isdigit() and len(reset) <= 12:
            seconds = float(reset)
            waits.append(seconds - now if seconds > _EPOCH else seconds)
    longest = max(waits, default=0.0)
    return longest if longest > 0 else None


def _item(text: str, headers: Mapping[str, str]) -> float | None:
    """Return the wait of one item of the list, when nothing is left by it."""
    values = dict(_PARAMETER.findall(text))
    if values.get("r") != "0":
        return None
    if "t" in values:
        return float(values["t"])
    # Without a time, the whole window of its policy.
    name = _NAME.match(text)
    for policy in headers.get("RateLimit-Policy", "").split(","):
        window = dict(_PARAMETER.findall(policy)).get("w")
        policy_name = _NAME.match(policy)
        if window and name and policy_name and policy_name[1] == name[1]:
            return float(window)
    return None


def _early(text: str) -> float | None:
    values = dict(_PARAMETER.findall(text))
    return float(values.get("reset", 0)) if values.get("remaining") == "0" else None
