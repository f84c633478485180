"""No stampedes: what is submitted at once, or due at once after an outage, is spread."""

from __future__ import annotations

from tests.store.conftest import StillWorld
from tests.store.test_limits import admit, most_in, sent_over


def test_many_polls_that_are_admitted_at_once_are_spread_over_their_cadence(still: StillWorld) -> None:
    """The first hundred go at once, and who draws no delay."""
    admit(still, 600, spread=5.0)
    assert 100 <= len(still.sent()) < 110
    counts = [len(sent_over(still, 1)) for _ in range(5)]
    assert sum(counts) >= 490
    assert max(counts) < 150


def test_a_few_polls_or_those_of_other_origins_are_not_put_off(still: StillWorld) -> None:
    """Each origin counts for itself."""
    admit(still, 100, spread=5.0, origin="a.example.com", prefix="a")
    admit(still, 100, spread=5.0, origin="b.example.com", prefix="b")
    assert len(still.sent()) == 200


def test_after_an_outage_polls_go_as_they_would_have_gone(still: StillWorld) -> None:
    """At their distances, though it was long: none later by more than its cadence, which is five seconds."""
    assert still.sent() == []
    polls = [still.admit(f"p{n:04d}", timeout=600.0, delay=0.01 * n) for n in range(500)]
    still.wait(200)
    sent = sent_over(still, 6)
    assert [poll_id for _, poll_id in sent] == polls
    assert most_in([moment for moment, _ in sent], 1000) < 120


def test_after_an_outage_polls_of_long_cadences_go_within_seconds(still: StillWorld) -> None:
    """In their order, at smaller distances."""
    assert still.sent() == []
    polls = [still.admit(f"p{n:04d}", timeout=600.0, delay=10.1 + 0.2 * n) for n in range(500)]  # over 100 s
    still.wait(200)
    sent = sent_over(still, 10)
    assert [poll_id for _, poll_id in sent] == polls
    assert most_in([moment for moment, _ in sent], 1000) < 120


def test_a_few_polls_go_at_once_when_a_worker_is_back(still: StillWorld) -> None:
    """There is nothing to spread."""
    assert still.sent() == []
    polls = [still.admit(f"p{n:02d}", timeout=600.0, delay=1.0 * n) for n in range(20)]
    still.wait(60)
    assert sorted(still.sent()) == polls


def test_a_deadline_goes_before_the_order_after_an_outage(still: StillWorld) -> None:
    """A poll that would be too late goes at once."""
    assert still.sent() == []
    for n in range(200):
        still.admit(f"p{n:04d}", timeout=600.0)
    still.admit("urgent", timeout=63.0, delay=59.0)
    still.wait(60)
    assert "urgent" in still.sent()
