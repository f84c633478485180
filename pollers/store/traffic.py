"""The limits and breakers of an installation: set for all workers at once, and seen from outside.

Workers bring what they are configured with; what was set by hand goes before it. Every gate has its
rules in Redis, where the scripts enforce them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

import msgpack

from pollers.politeness import Breaker, Limit, rules_for
from pollers.store.connection import translated_errors
from pollers.store.shards import Polls
from pollers.store.store import Store

logger = logging.getLogger(__name__)

#: How long an origin is approached, in ms; ``gates.lua`` has it in doublings.
APPROACH_MS = 10_000

_CONFIGURED = "configured"
#: What an origin can be, from letting all of its polls pass to none.
CONDITIONS = ("closed", "approached", "half-open", "open", "held", "paused")
_LIMIT, _ORIGIN = "limit:", "origin:"

#: Rules by the names of gates, None for no rules any more.
_RulesOfGates = dict[str, dict[str, Any] | None]


class Rules(NamedTuple):
    """What is to be enforced."""

    #: Limits as text by name, as the workers were configured.
    configured: dict[str, str]
    #: Limits that were set by hand.
    by_hand: dict[str, str]
    breaker: Breaker | None

    @property
    def limits(self) -> dict[str, str]:
        """All limits; what was set by hand goes before."""
        return {**self.configured, **self.by_hand}


class Gate(NamedTuple):
    """A limit or an origin at one moment; moments are ms of Redis' clock."""

    name: str
    #: What it remembers, as the scripts keep it.
    state: dict[str, Any]
    #: Due polls that wait at it.
    parked: int
    now_ms: int

    def condition(self) -> str:
        """Return what an origin is: ``paused``, ``held``, or as its breaker is.

        That is ``open``, ``half-open``, or else ``closed``, as for an origin without one. After each of the
        others an origin is ``approached`` for a while.
        """
        if self.state.get("paused"):
            return "paused"
        if self.state.get("held", 0) > self.now_ms:
            return "held"
        if breaker := self.state.get("breaker"):
            return "open" if breaker == "open" else "half-open"
        approached = self.now_ms < self.state.get("approach", -APPROACH_MS) + APPROACH_MS
        return "approached" if approached else "closed"

    @property
    def lately(self) -> int:
        """Attempts in the window of its breaker; 0 where there is none."""
        return sum(part[1] for part in self.state.get("window") or ())

    def joined(self, other: Gate) -> Gate:
        """Return the gate as two shards know it together."""
        shut = max(self, other, key=Gate._shutness)
        flying = self.state.get("flying", 0) + other.state.get("flying", 0)
        window = [*(self.state.get("window") or ()), *(other.state.get("window") or ())]
        state = {**shut.state, "flying": flying, "window": window}
        return shut._replace(state=state, parked=self.parked + other.parked)

    def _shutness(self) -> tuple[int, float]:
        return CONDITIONS.index(self.condition()), self.shut_for()

    def shut_for(self) -> float:
        """Return the seconds for which an origin is held, or its breaker open, yet; 0 for all else."""
        until = {"held": "held", "open": "open_until"}.get(self.condition())
        return max(0.0, float(self.state[until] - self.now_ms) / 1000) if until else 0.0


def read_rules(polls: Polls) -> Rules:
    """Return the limits and the breaker that are in force; all shards have the same."""
    store = polls.stores[0]
    with translated_errors(store.client):
        raw = cast(Mapping[bytes, bytes], store.client.hgetall(store.keys.rules))
    # What somebody has written by hand may be no text; it is no limit then.
    texts = {name.decode(errors="replace"): text.decode(errors="replace") for name, text in raw.items()}
    configured = json.loads(texts.pop(_CONFIGURED, "{}"))
    breaker = configured.get("breaker")
    by_hand = {name.removeprefix(_LIMIT): text for name, text in texts.items()}
    return Rules(configured.get("limits", {}), by_hand, Breaker.parse(breaker) if breaker else None)


def configure(store: Store, limits: Mapping[str, str], breaker: Mapping[str, Any] | None) -> None:
    """Take over what a worker is configured with; the last worker that started has the say."""
    wanted = json.dumps({"limits": dict(limits), "breaker": breaker}, sort_keys=True)
    with translated_errors(store.client):
        known = cast("bytes | None", store.client.hget(store.keys.rules, _CONFIGURED))
        if not (limits or breaker):
            if known is None:
                return
            store.client.hdel(store.keys.rules, _CONFIGURED)
        elif known is not None and known.decode() == wanted:
            return
        else:
            store.client.hset(store.keys.rules, _CONFIGURED, wanted)
    _apply(store)


def set_limit(polls: Polls, name: str, text: str | None) -> None:
    """Set a limit for all workers from now on; None goes back to what they are configured with.

    Raises:
        ValueError: The text is no limit, or one that the shards cannot share.

    """
    if text is not None:
        Limit.parse(text).shared(len(polls.stores))
    for store in polls.stores:
        with translated_errors(store.client):
            if text is None:
                store.client.hdel(store.keys.rules, _LIMIT + name)
            else:
                store.client.hset(store.keys.rules, _LIMIT + name, text)
        _apply(store)


def introduce(store: Store, origins: Iterable[str]) -> None:
    """Give origins that were met for the first time their rules."""
    _enforce(store, lambda rules: _rules_for(store, origins, rules))


def shut(polls: Polls, origin: str) -> bool:
    """Pause an origin; return whether it was not paused before."""
    paused = [store.calls.run_patiently("shut", [store.keys.gates], [origin]) for store in polls.stores]
    return any(paused)


def reopen(polls: Polls, origin: str) -> bool:
    """Open an origin, whatever kept its polls; return whether something had."""
    opened = [_run_on_gates(store, "reopen", [origin]) for store in polls.stores]
    return any(opened)


def gates(polls: Polls, kind: str) -> list[Gate]:
    """Return the gates of a kind, ``limit`` or ``origin``, by name.

    What several shards know of one is added up; its condition is that of the shard where it is shut longest.
    """
    by_name: dict[str, Gate] = {}
    for gate in (gate for store in polls.stores for gate in _gates(store, kind)):
        known = by_name.get(gate.name)
        by_name[gate.name] = gate if known is None else known.joined(gate)
    return [gate for _, gate in sorted(by_name.items())]


def _gates(store: Store, kind: str) -> list[Gate]:
    prefix = f"{kind}:"
    with translated_errors(store.client):
        pipe = store.client.pipeline(transaction=False)
        pipe.hgetall(store.keys.gates)
        pipe.time()
        raw, (seconds, microseconds) = pipe.execute()
        states = {name: state for name, state in raw.items() if name.decode().startswith(prefix)}
        lots = cast("list[bytes | None]", store.client.hmget(store.keys.flows, [*states]) if states else [])
    now_ms = seconds * 1000 + microseconds // 1000
    return [
        Gate(
            name.decode().removeprefix(prefix),
            _state(state),
            int(msgpack.unpackb(lot)["size"]) if lot else 0,
            now_ms,
        )
        for (name, state), lot in zip(states.items(), lots, strict=True)
    ]


def origin_gate(polls: Polls, origin: str) -> Gate:
    """Return the gate of an origin, closed where nothing is known; without the polls that wait at it."""
    first, *others = (_origin_gate(store, origin) for store in polls.stores)
    for other in others:
        first = first.joined(other)
    return first


def _origin_gate(store: Store, origin: str) -> Gate:
    with translated_errors(store.client):
        pipe = store.client.pipeline(transaction=False)
        pipe.hget(store.keys.gates, _ORIGIN + origin)
        pipe.time()
        packed, (seconds, microseconds) = pipe.execute()
    return Gate(origin, _state(packed) if packed else {}, 0, seconds * 1000 + microseconds // 1000)


def _apply(store: Store) -> None:
    """Give every known gate the rules that are in force now."""

    def all_rules(rules: Rules) -> _RulesOfGates:
        with translated_errors(store.client):
            known = [name.decode() for name in cast("list[bytes]", store.client.hkeys(store.keys.gates))]
        origins = [name.removeprefix(_ORIGIN) for name in known if name.startswith(_ORIGIN)]
        outdated: _RulesOfGates = dict.fromkeys(name for name in known if name.startswith(_LIMIT))
        return outdated | _rules_for(store, origins, rules)

    _enforce(store, all_rules)


def _rules_for(store: Store, origins: Iterable[str], rules: Rules) -> _RulesOfGates:
    """Return the rules of gates. A limit that cannot be kept is left out: it must not keep all polls back."""
    limits = {}
    for name, text in rules.limits.items():
        try:
            Limit.parse(text).shared(store.shards)
        except ValueError as error:
            # Written into Redis by hand, or set when there were fewer shards.
            logger.error("The limit %r %s. It is not kept until it is set right.", name, error)
        else:
            limits[name] = text
    return rules_for(origins, limits, rules.breaker, shards=store.shards)


def _enforce(store: Store, rules_of_gates: Callable[[Rules], _RulesOfGates]) -> None:
    """Give gates their rules; again when somebody else has changed the rules in the meantime."""
    before, rules = None, read_rules(store)
    while rules != before:
        packed = [msgpack.packb(one) for one in rules_of_gates(rules).items()]
        _run_on_gates(store, "govern", packed)
        before, rules = rules, read_rules(store)


def _run_on_gates(store: Store, name: str, args: list[Any]) -> Any:
    return store.calls.run_patiently(name, [store.keys.gates, store.keys.turns], args)


def _state(packed: bytes) -> dict[str, Any]:
    state = msgpack.unpackb(packed, strict_map_key=False)
    # An empty table of Lua is packed as an empty array.
    state = dict(state or {})
    return {**state, "rules": dict(state.get("rules") or {})}
