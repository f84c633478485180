"""The metrics of the whole system in Prometheus' terms; any process tells them, as all of it is in Redis.

Names and units follow https://prometheus.io/docs/practices/naming/. No label has values without a bound:
origins and limits beyond the first `MOST_ORIGINS` are told together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from pollers.errors import StoreUnavailable
from pollers.observe.traffic_metrics import traffic_metrics
from pollers.store import Polls
from pollers.store.damage import KINDS
from pollers.store.overview import Overview, counters, overview
from pollers.store.vitals import Vitals, vitals

#: What `PollersCollector` calls the queue of Celery's own routing, which has no name in the store.
DEFAULT_QUEUE = "(default)"

#: Buckets, as exponents of 2: of lateness and requests in ms, of calls in us, of packs in polls.
_LATENESS, _REQUESTS, _CALLS, _PACKS = range(1, 18), range(3, 18), range(6, 24), range(11)


class PollersCollector:
    """Collects the metrics of an installation out of its store."""

    def __init__(self, polls: Polls, version: str) -> None:
        self._installation = polls
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; while Redis is away only that it is."""
        yield _labelled(
            GaugeMetricFamily("pollers_info", "The version that tells these metrics.", labels=["version"]),
            {(self._version,): 1},
        )
        try:
            found = list(self._collect())
        except StoreUnavailable:
            found = None
        yield GaugeMetricFamily("pollers_redis_up", "1 when Redis answers, else 0.", float(found is not None))
        yield from found or ()

    def _collect(self) -> Iterator[Metric]:
        polls = self._installation
        stats: Counter[str] = Counter()
        for store in polls.stores:
            stats.update(counters(store, store.keys.stats))
        first = polls.stores[0]  # which has what all processes have measured
        measured = counters(first, first.keys.metrics)
        yield from _polls(overview(polls), stats)
        yield from _attempts(measured, stats.get("shared", 0))
        yield _histogram(
            "pollers_lateness_seconds",
            "How much later than due attempts have begun.",
            _LATENESS,
            # Four buckets to a doubling.
            _buckets((int(name) // 4 + 1, number) for name, number in _under(stats, "lateness:")),
            stats.get("lateness_ms", 0),
            1000,
        )
        yield _histogram(
            "pollers_pack_polls",
            "Polls in the packs that were dispatched.",
            _PACKS,
            _buckets((int(name), number) for name, number in _under(stats, "packs:")),
            stats.get("dispatched", 0),
            1,
        )
        yield from _trouble(stats)
        yield from traffic_metrics(polls, stats)
        yield from _redis(measured)
        yield from _vitals(vitals(polls))


def registry_of(polls: Polls, version: str) -> CollectorRegistry:
    """Return a registry with the metrics of an installation, and nothing else."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PollersCollector(polls, version))
    return registry


def _polls(now: Overview, stats: Mapping[str, int]) -> Iterator[Metric]:
    yield _labelled(
        GaugeMetricFamily("pollers_polls", "Polls by state.", labels=["state"]),
        {
            ("waiting",): now.waiting,
            ("due",): max(0, now.due - now.parked),
            ("parked",): now.parked,
            ("running",): now.running,
            ("releasing",): now.releasing,
        },
    )
    yield CounterMetricFamily("pollers_polls_admitted", "Polls that were submitted.", now.admitted)
    states = ("succeeded", "failed", "timed_out", "cancelled")
    yield _labelled(
        CounterMetricFamily("pollers_polls_ended", "Polls that have ended, by state.", labels=["state"]),
        {(state,): stats.get(state, 0) for state in states},
    )


def _attempts(measured: Mapping[str, int], shared: int) -> Iterator[Metric]:
    counted = CounterMetricFamily(
        "pollers_attempts",
        "Attempts that were made, by origin, status class and decision.",
        labels=["origin", "status", "decision"],
    )
    for name, number in _under(measured, "attempts:"):
        status, decision, origin = name.split(":", 2)
        counted.add_metric([origin, status, decision], number)
    yield counted
    yield CounterMetricFamily(
        "pollers_attempts_shared", "Attempts that got the answer of another poll's request.", shared
    )
    yield _histograms(
        "pollers_request_duration_seconds",
        "Time that requests of attempts have taken, by origin.",
        "origin",
        _REQUESTS,
        measured,
        ("requests:", "request_ms:"),
        1000,
    )


def _trouble(stats: Mapping[str, int]) -> Iterator[Metric]:
    yield _labelled(
        CounterMetricFamily(
            "pollers_expired_leases",
            "Leases that ran out: of attempts whose workers were lost, of packs that were not begun.",
            labels=["of"],
        ),
        {("attempt",): stats.get("crashed", 0), ("pack",): stats.get("packs_lost", 0)},
    )
    yield _labelled(
        CounterMetricFamily(
            "pollers_refused", "Attempts that the fence has refused to begin or to settle.", labels=["call"]
        ),
        {("begin",): stats.get("begin_refused", 0), ("settle",): stats.get("settle_refused", 0)},
    )
    yield _labelled(
        CounterMetricFamily(
            "pollers_damage", "What should not happen and was survived, by kind.", labels=["kind"]
        ),
        {(kind.counter,): stats.get(kind.counter, 0) for kind in KINDS},
    )


def _redis(measured: Mapping[str, int]) -> Iterator[Metric]:
    yield _histograms(
        "pollers_redis_call_seconds",
        "Time that the workers' calls of Redis have taken, by script.",
        "script",
        _CALLS,
        measured,
        ("calls:", "call_us:"),
        1e6,
    )


def _vitals(now: Vitals) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "pollers_redis_ping_seconds", "Time that Redis took to answer just now.", now.ping
    )
    yield GaugeMetricFamily(
        "pollers_oldest_due_seconds",
        "How long the poll that is due longest has waited for workers.",
        now.oldest_due,
    )
    if now.created:
        yield GaugeMetricFamily(
            "pollers_store_created_timestamp_seconds",
            "When the store had its first poll; it changes when Redis has lost its data.",
            now.created,
        )
    names = {queue: queue or DEFAULT_QUEUE for queue in now.queues}
    yield _labelled(
        GaugeMetricFamily("pollers_workers", "Workers that dispatch, by queue.", labels=["queue"]),
        {(names[queue],): one.workers for queue, one in now.queues.items()},
    )
    yield _labelled(
        GaugeMetricFamily(
            "pollers_queued_packs", "Packs that are sent and not begun, by queue.", labels=["queue"]
        ),
        {(names[queue],): one.packs for queue, one in now.queues.items()},
    )


def _labelled(family: Any, values: Mapping[tuple[str, ...], float]) -> Any:
    for labels, value in values.items():
        family.add_metric(list(labels), value)
    return family


def _under(numbers: Mapping[str, int], prefix: str) -> Iterator[tuple[str, int]]:
    """Yield the numbers whose names have a prefix, by what comes after it."""
    for name, number in sorted(numbers.items()):
        if name.startswith(prefix):
            yield name.removeprefix(prefix), number


def _buckets(numbers: Iterable[tuple[int, int]]) -> dict[int, int]:
    found: dict[int, int] = {}
    for bucket, number in numbers:
        found[bucket] = found.get(bucket, 0) + number
    return found


def _histogram(
    name: str, documentation: str, exponents: range, buckets: Mapping[int, int], total: float, per_unit: float
) -> Metric:
    return HistogramMetricFamily(
        name, documentation, buckets=_cumulative(exponents, buckets, per_unit), sum_value=total / per_unit
    )


def _histograms(
    name: str,
    documentation: str,
    label: str,
    exponents: range,
    measured: Mapping[str, int],
    prefixes: tuple[str, str],
    per_unit: float,
) -> Metric:
    """Return the histograms of each value of a label; the prefixes are of bucket counts and of totals."""
    counts, totals = prefixes
    family = HistogramMetricFamily(name, documentation, labels=[label])
    by_value: dict[str, list[tuple[int, int]]] = {}
    for rest, number in _under(measured, counts):
        bucket, value = rest.split(":", 1)
        by_value.setdefault(value, []).append((int(bucket), number))
    for value, numbers in sorted(by_value.items()):
        buckets = _cumulative(exponents, _buckets(numbers), per_unit)
        family.add_metric([value], buckets, measured.get(f"{totals}{value}", 0) / per_unit)
    return family


def _cumulative(exponents: range, buckets: Mapping[int, int], per_unit: float) -> list[tuple[str, float]]:
    """Return how many were within each bound, 2 to the power of each exponent; units become base units."""
    bounds = [
        (
            f"{2**exponent / per_unit:g}",
            sum(number for bucket, number in buckets.items() if bucket <= exponent),
        )
        for exponent in exponents
    ]
    return [*bounds, ("+Inf", sum(buckets.values()))]
