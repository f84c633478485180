"""The headers of the scripts say what the calls do: parsed, and compared with real calls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from pollers.store import Pack, Record, Settlement, scripts, traffic
from pollers.store.answers import join, pass_on
from pollers.store.layout import Layout
from pollers.store.meter import Meter
from pollers.store.reschedule import Revision, reschedule
from tests.store.conftest import SPEC, World

_KEY = re.compile(r"KEYS\[(\d+)(?: \+ (\d?)i)?\]")
_ARG = re.compile(r"ARGV\[(\d+)(?: \+ (\d?)i)?\]")


def _header(name: str) -> str:
    text = scripts.read(name)
    return text[: text.index("\n\n")]


def _shape(pattern: re.Pattern[str], header: str) -> tuple[int, int]:
    """Return how many are fixed, and how many repeat."""
    inputs = header[header.index("Input:") : header.index("Output:")]
    fixed = {int(number) for number, step in pattern.findall(inputs) if not step and f"[{number}]" in inputs}
    repeated = {int(match[1]) for match in re.finditer(pattern.pattern, inputs) if "i" in match[0]}
    return len(fixed - repeated), len(repeated)


class Recorder:
    """Stands before the registered scripts and notes what each call passes."""

    def __init__(self, world: World) -> None:
        self.calls: dict[str, tuple[list[Any], list[Any]]] = {}
        run = world.store.calls.run

        def noting(name: str, keys: list[Any], args: list[Any]) -> Any:
            self.calls[name] = (keys, args)
            return run(name, keys, args)

        world.store.calls.run = noting  # type: ignore[method-assign]


@pytest.fixture
def calls(world: World) -> Iterator[dict[str, tuple[list[Any], list[Any]]]]:
    """Return what every script was called with in the life of one poll."""
    recorder = Recorder(world)
    world.admit("p")
    world.store.nudge("p")
    world.store.pause("p")
    world.store.resume("p")
    reschedule(world.store, "p", Revision(SPEC, SPEC, wait=5.0))
    traffic.set_limit(world.store, "l", "10/s")
    traffic.shut(world.store, "o")
    traffic.reopen(world.store, "o")
    pack = world.dispatch(("", "far"))[0]
    world.store.begin(Pack(pack.id, pack.queue, pack.polls))
    join(world.store, "r", "p", 1, last=True)
    pass_on(world.store, "p")
    world.store.settle([Settlement("p", 1, "failed", 0, "", "", "{}")])
    world.store.told("p", "", "")
    world.store.release()
    world.store.claim("p")
    world.store.deliver("p", 1.0)
    world.store.cancel("p")
    Layout(1, 1).noted(world.store)
    world.store.note("malformed")
    meter = Meter(world.store)
    meter.call("admit", 0.001)
    meter.flush()
    return recorder.calls


@pytest.mark.parametrize("name", scripts.NAMES)
def test_a_header_counts_the_keys_and_arguments_of_the_call(
    name: str, calls: dict[str, tuple[list[Any], list[Any]]]
) -> None:
    """So that headers cannot drift from what is passed."""
    header = _header(name)
    keys, args = calls[name]
    for pattern, passed in ((_KEY, keys), (_ARG, args)):
        fixed, repeated = _shape(pattern, header)
        if repeated:
            assert len(passed) >= fixed + repeated
            assert (len(passed) - fixed) % repeated == 0
        else:
            assert len(passed) == fixed


@pytest.mark.parametrize("name", scripts.NAMES)
def test_a_header_tells_purpose_output_and_cost(name: str) -> None:
    """Each has the four parts, in order."""
    header = _header(name)
    assert header.startswith("-- ")
    assert header.index("Input:") < header.index("Output:") < header.index("Cost:")


@pytest.mark.parametrize("name", scripts.NAMES)
def test_a_script_names_only_keys_that_it_is_given(name: str) -> None:
    """No key is computed inside: every access is through KEYS, for Redis Cluster."""
    assert ".. 'pollers" not in scripts.read(name)
    assert "{" + "pollers" not in scripts.read(name)


def test_the_prelude_names_the_fields_of_a_record_in_their_order() -> None:
    """Python and Lua read the same array."""
    prelude = scripts.read("record")
    names: list[str] = []
    for left, right in re.findall(r"^local ([A-Z, ]+) = ([\d, ]+)$", prelude, re.MULTILINE):
        numbers = [int(number) for number in right.split(",")]
        listed = [name.strip() for name in left.split(",")]
        assert numbers == list(range(len(names) + 1, len(names) + 1 + len(listed)))
        names += listed
    assert [name.lower() for name in names] == [
        field.removesuffix("_ms") if field != "span_ms" else "span" for field in Record._fields
    ]


def test_the_scripts_survive_an_emptied_script_cache(world: World) -> None:
    """SCRIPT FLUSH costs one more round trip, no poll."""
    world.admit("p")
    world.store.client.script_flush()
    assert len(world.dispatch()) == 1
