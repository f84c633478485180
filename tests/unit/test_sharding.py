"""Which shard a poll is in, and what the setting of them may say."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from redis.crc import key_slot

from pollers import InvalidSetting
from pollers.politeness import Limit
from pollers.settings import Settings
from pollers.sharding import prefix_of, shard_of


def test_an_id_names_its_shard_for_ever() -> None:
    """In every process: no version may answer otherwise, as polls would be looked for in the wrong place."""
    assert [shard_of(one, 4) for one in ("a", "b", "c", "d", "e\u0301")] == [3, 1, 3, 0, 1]


def test_ids_are_spread_evenly() -> None:
    """Those that Celery makes."""
    counts = Counter(shard_of(str(uuid4()), 4) for _ in range(4000))
    assert all(800 < counts[number] < 1200 for number in range(4))


def test_one_shard_is_the_store_as_it_is() -> None:
    """The same address, keys and backlog."""
    assert Settings().by_shard() == [Settings()]


def test_shards_of_one_store_have_their_own_prefixes() -> None:
    """For ever these; the first has that of one alone, so that polls stay when there are more."""
    parts = Settings.read({"pollers_shards": 3, "pollers_redis_url": "redis://a"}, {}).by_shard()
    assert [(one.redis_url, one.prefix) for one in parts] == [
        ("redis://a", "pollers"),
        ("redis://a", "pollers:1.24"),
        ("redis://a", "pollers:2.23"),
    ]


@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_shards_of_a_cluster_are_spread_over_its_nodes(nodes: int) -> None:
    """Whatever number of them: none has more than one shard more than its part."""
    for shards in range(1, 13):
        slots = [key_slot(b"{" + prefix_of("pollers", n).encode() + b"}:polls") for n in range(shards)]
        counts = Counter(slot * nodes // 16384 for slot in slots)
        assert max(counts.values()) <= -(-shards // nodes) + 1


@pytest.mark.parametrize("value", [["redis://a", "redis://b"], "redis://a, redis://b"])
def test_shards_on_several_servers_have_the_same_keys(value: Any) -> None:
    """Their order may change: a poll is found anywhere. The first is Celery's broker, if nothing else is."""
    settings = Settings.read({"pollers_shards": value}, {})
    assert [(one.redis_url, one.prefix) for one in settings.by_shard()] == [
        ("redis://a", "pollers"),
        ("redis://b", "pollers"),
    ]
    assert settings.redis_url == "redis://a"


def test_the_backlog_is_divided() -> None:
    """A worker has as many unbegun polls as with one shard, or one pack of each."""
    assert [one.backlog for one in Settings(shards=4).by_shard()] == [50] * 4


@pytest.mark.parametrize(
    ("environ", "hint"),
    [
        ({"POLLERS_SHARDS": "0"}, "^POLLERS_SHARDS: it should be a number from 1 to 64"),
        ({"POLLERS_SHARDS": "1000"}, "from 1 to 64"),
        ({"POLLERS_SHARDS": "many"}, "or a list of the URLs of Redis servers"),
        ({"POLLERS_SHARDS": "redis://a,http://b"}, "pollers_shards is 'http://b'"),
        ({"POLLERS_SHARDS": "redis://a,redis://a"}, "each server once"),
        ({"POLLERS_SHARDS": "redis://a/x,redis://b"}, "port and its database should be numbers"),
        ({"POLLERS_RETIRED_SHARDS": "1"}, "pollers_retired_shards must be 0 or more, and less than"),
        ({"POLLERS_SHARDS": "3", "POLLERS_LIMITS": '{"a": "in-flight 2"}'}, "'a' has 2 in flight.*3 or more"),
        ({"POLLERS_REDIS_URL": "redis+cluster://a"}, "cannot have a Redis Cluster as its broker"),
        ({"POLLERS_REDIS_URL": "redis+cluster://a/1", "CELERY_BROKER_URL": "redis://b"}, "no databases"),
    ],
)
def test_shards_that_cannot_be_are_refused(environ: dict[str, str], hint: str) -> None:
    """With what would be right."""
    with pytest.raises(InvalidSetting, match=hint):
        Settings.read({}, environ)


def test_passwords_of_shards_are_not_told() -> None:
    """When they are wrong."""
    urls = "redis://:sesame@a,redis://:sesame@b"
    with pytest.raises(InvalidSetting) as caught:
        Settings.read({}, {"POLLERS_SHARDS": f"{urls},redis://:sesame@b"})
    assert "sesame" not in str(caught.value)


def test_shards_share_a_limit() -> None:
    """Each keeps its part; together they let through no more."""
    limit = Limit.parse("100/s burst 40 in-flight 10").shared(4)
    assert (limit.rate, limit.burst, limit.in_flight) == (25.0, 10, 2)
    assert Limit.parse("1/m").shared(4).rules() == {"burst": 1, "interval": 240_000.0}
