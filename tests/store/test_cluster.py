"""The store in a Redis Cluster: each shard on the node that has its slot, wherever that is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pollers.errors import StoreUnavailable
from pollers.settings import Settings
from pollers.store import Settlement, Shards, Submission
from pollers.store.listing import count_polls, polls_in
from pollers.store.overview import overview
from tests.cluster import Cluster, running
from tests.store.conftest import SPEC

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a cluster of two nodes."""
    with running(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def shards(cluster: Cluster) -> Iterator[Shards]:
    """Return two empty shards, of which one node is named."""
    for node in cluster.nodes:
        node.flushall()
    shards = Shards.connect(Settings(redis_url=cluster.urls[1], shards=2))
    yield shards
    for store in shards.stores:
        store.client.close()


def test_polls_live_in_a_cluster(cluster: Cluster, shards: Shards) -> None:
    """Some on each of its nodes, all through one address."""
    ids = {f"p{number}" for number in range(40)}

    shards.admit_many([Submission(poll_id, spec=SPEC, span=10.0, timeout=60.0) for poll_id in ids])

    assert all(node.dbsize() > 0 for node in cluster.nodes)
    assert {poll_id for poll_id, _ in polls_in(shards)} == ids
    for number, store in enumerate(shards.stores):
        (pack,) = store.dispatch("w", f"c{number}", {"": True}).packs
        begun = store.begin(pack).polls
        store.settle([Settlement(poll_id, 1, "succeeded", 0, "", "", "1") for poll_id, _ in begun])
    assert overview(shards).succeeded == 40
    assert all(shards.claim(poll_id).verdict == "claimed" for poll_id in ids)
    assert all(shards.deliver(poll_id, 60) for poll_id in ids)
    assert count_polls(shards) == 0


def test_a_shard_moves_to_another_node_with_its_polls(cluster: Cluster, shards: Shards) -> None:
    """Its connections follow, without anybody's doing."""
    shards.admit_many([Submission(f"p{n}", spec=SPEC, span=10.0, timeout=60.0) for n in range(40)])
    key = shards.stores[1].keys.polls

    cluster.move(key, 1, 0)
    try:
        assert cluster.nodes[1].dbsize() == 0
        assert all(shards.nudge(f"p{number}") == "waiting" for number in range(40))
        assert count_polls(shards) == 40
    finally:
        cluster.move(key, 0, 1)
    assert all(shards.cancel(f"p{number}") == "cancelled" for number in range(40))


def test_a_slot_without_a_node_is_an_outage(cluster: Cluster, shards: Shards) -> None:
    """Of this shard, with a sentence."""
    slots = cluster.nodes[0].execute_command("CLUSTER KEYSLOT", shards.stores[0].keys.polls)
    cluster.nodes[0].execute_command("CLUSTER DELSLOTS", slots)
    try:
        with pytest.raises(StoreUnavailable, match="cluster"):
            shards.stores[0].nudge("p")
        assert shards.stores[1].nudge("p") == "unknown"
    finally:
        cluster.nodes[0].execute_command("CLUSTER ADDSLOTS", slots)


def test_a_cluster_that_is_no_cluster_is_told(redis_url: str) -> None:
    """With the address."""
    address = redis_url.removeprefix("redis://").partition("/")[0]
    shards = Shards.connect(Settings(redis_url=f"redis+cluster://{address}", shards=2))
    with pytest.raises(StoreUnavailable, match=f"{address}.*cluster"):
        shards.find("p")
