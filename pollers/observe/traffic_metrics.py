"""The metrics of limits, holds and breakers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pollers.store import Polls
from pollers.store.meter import MOST_ORIGINS, OTHER
from pollers.store.traffic import CONDITIONS, Gate, gates, read_rules


def traffic_metrics(polls: Polls, stats: Mapping[str, int]) -> Iterator[Metric]:
    """Yield the metrics of limits, holds and breakers."""
    yield CounterMetricFamily(
        "pollers_holds", "How often an answer has held its origin.", stats.get("origins_held", 0)
    )
    yield CounterMetricFamily(
        "pollers_breaker_openings", "How often a breaker has opened.", stats.get("origins_open", 0)
    )
    yield from _origins(gates(polls, "origin"))
    yield from _limits(gates(polls, "limit"), read_rules(polls).limits)


def _origins(found: list[Gate]) -> Iterator[Metric]:
    conditions = Counter(gate.condition() for gate in found)
    by_condition = GaugeMetricFamily(
        "pollers_origins", "Origins that something is known of, by state.", labels=["state"]
    )
    for condition in CONDITIONS:
        by_condition.add_metric([condition], conditions[condition])
    yield by_condition
    shut = GaugeMetricFamily(
        "pollers_origin_state",
        "1 for an origin that is paused, held, open or half-open; none for all others.",
        labels=["origin", "state"],
    )
    waiting = GaugeMetricFamily(
        "pollers_origin_parked_polls", "Due polls that wait at an origin.", labels=["origin"]
    )
    told, rest = _most(found)
    for gate in told:
        if gate.condition() not in ("closed", "approached"):
            shut.add_metric([gate.name, gate.condition()], 1)
        waiting.add_metric([gate.name], gate.parked)
    waiting.add_metric([OTHER], sum(gate.parked for gate in rest))
    yield shut
    yield waiting


def _limits(found: list[Gate], texts: Mapping[str, str]) -> Iterator[Metric]:
    families = {
        name: GaugeMetricFamily(f"pollers_limit_{name}", told, labels=["limit"])
        for name, told in (
            ("polls_per_second", "Polls a second that a limit lets pass; none where it has no rate."),
            ("most_in_flight", "Attempts that a limit lets be in flight; none where it has no such number."),
            ("in_flight", "Attempts in flight that count in a limit."),
            ("parked_polls", "Due polls that wait at a limit."),
        )
    }
    told, rest = _most(found)
    for gate in told:
        rules = gate.state["rules"]
        if "interval" in rules:
            families["polls_per_second"].add_metric([gate.name], 1000 / rules["interval"])
        if "in_flight" in rules:
            families["most_in_flight"].add_metric([gate.name], rules["in_flight"])
            families["in_flight"].add_metric([gate.name], gate.state.get("flying", 0))
        families["parked_polls"].add_metric([gate.name], gate.parked)
    families["parked_polls"].add_metric([OTHER], sum(gate.parked for gate in rest))
    yield from families.values()


def _most(found: list[Gate]) -> tuple[list[Gate], list[Gate]]:
    """Return the gates that most polls wait at or have lately passed, and the others."""
    ranked = sorted(found, key=lambda gate: (-gate.parked, -gate.lately, gate.name))
    return ranked[:MOST_ORIGINS], ranked[MOST_ORIGINS:]
