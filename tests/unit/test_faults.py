"""The render farm's chance: seeded, independent of order, as frequent as asked."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollers.demo.faults import Chance, Fault


@given(seed=st.integers(), tile=st.text(max_size=10), number=st.integers(1, 100))
def test_chance_is_the_same_again(seed: int, tile: str, number: int) -> None:
    """Two farms with one seed disturb the same requests, whatever was asked in between."""
    one, other = Chance(seed=seed, busy=0.5), Chance(seed=seed, busy=0.5)
    other.fault("poll", "another tile", 1)

    assert one.fault("poll", tile, number) == other.fault("poll", tile, number)
    assert one.duration(tile) == other.duration(tile)
    assert one.shortest <= one.duration(tile) <= one.longest


def test_faults_are_as_frequent_as_asked() -> None:
    """Over many requests each rate comes true, and the seed decides which requests."""
    chance = Chance(seed=4, busy=0.2, unavailable=0.1, dropped=0.3)
    drawn = [chance.fault("poll", "tile", number) for number in range(4000)]
    shares = {fault: count / 4000 for fault, count in Counter(drawn).items()}

    assert shares == pytest.approx(
        {Fault.BUSY: 0.2, Fault.UNAVAILABLE: 0.1, Fault.DROPPED: 0.3, None: 0.4}, abs=0.03
    )
    assert drawn != [Chance(seed=5, busy=0.2).fault("poll", "tile", n) for n in range(4000)]


def test_a_farm_without_faults_is_possible() -> None:
    """Rates of zero disturb nothing; a rate of one everything."""
    calm = Chance(busy=0, unavailable=0, dropped=0)

    assert {calm.fault("poll", "tile", number) for number in range(200)} == {None}
    assert not calm.fails("tile")
    assert Chance(failed=1).fails("tile")


@pytest.mark.parametrize(
    "wrong",
    [
        {"busy": -0.1},
        {"busy": 0.6, "dropped": 0.6},
        {"failed": 2},
        {"shortest": 9.0, "longest": 1.0},
    ],
)
def test_impossible_rates_are_refused(wrong: dict[str, float]) -> None:
    """A farm is not started with rates that cannot be."""
    with pytest.raises(ValueError, match=r"rates lie between|not a range"):
        Chance(**wrong)  # type: ignore[arg-type]
