"""What a Redis is set to do that can lose polls: each with its cure, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

import redis

from pollers.store.connection import translated_errors
from pollers.store.store import Store

#: The oldest Redis that has what the scripts use.
OLDEST_REDIS = (6, 2)
#: The share of its memory from which on a Redis is nearly full.
FULL = 0.9


class Risk(NamedTuple):
    """One way in which polls can be lost, or are refused."""

    #: What is wrong, and what it can cost.
    problem: str
    #: What to do about it.
    cure: str


#: Of a Redis that does not answer `INFO`.
UNKNOWN = Risk(
    "This user of Redis may not ask INFO, so it is not known whether Redis can lose polls.",
    "Allow it: ACL SETUSER <user> +info",
)


def risks(store: Store) -> list[Risk]:
    """Return what is risky about the Redis of a store; nothing when all is well.

    It asks `INFO` only, which managed services allow where they refuse `CONFIG`.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    info = _info(store)
    return [UNKNOWN] if info is None else list(_risks(info))


def server_name(store: Store) -> str:
    """Return the server's name and version, such as ``Valkey 9.0.1`` or ``Redis 7.2.4``."""
    info = _info(store, "server") or {}
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info.get('redis_version', '?')}"


def _info(store: Store, *sections: str) -> Mapping[str, Any] | None:
    """Return what a Redis tells of itself; None when it does not allow to ask."""
    with translated_errors(store.client):
        try:
            return cast(Mapping[str, Any], store.client.info(*sections))
        except redis.exceptions.ResponseError:  # no permission, or the command has another name
            return None


def _risks(info: Mapping[str, Any]) -> Iterator[Risk]:
    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < OLDEST_REDIS:
        yield Risk(f"Redis is of version {version}.", "Use Redis 6.2 or newer, or Valkey.")
    if info.get("role") == "slave":
        yield Risk("This is a replica, which takes no polls.", "Point pollers_redis_url at the primary.")
    if not info.get("aof_enabled"):
        yield Risk(
            "Redis keeps no append-only file: a restart loses the polls since its last snapshot, or all.",
            "Set appendonly yes.",
        )
    if info.get("aof_enabled") and info.get("aof_last_write_status", "ok") != "ok":
        yield Risk("Redis cannot write its append-only file.", "Look at its disk and its log.")
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        yield Risk(
            "Redis cannot save its snapshots, and refuses writes because of it.",
            "Look at its disk and its log; without snapshots: save ''.",
        )
    most, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if most and used > FULL * most:
        yield Risk(
            f"Redis uses {used / most:.0%} of its memory; when it is full, it takes no polls.",
            "Raise maxmemory, or give the polls a Redis of their own.",
        )
    if evicted := int(info.get("evicted_keys", 0)):
        yield Risk(
            f"Redis has evicted {evicted} keys since it was started; polls may be among them.",
            "Set maxmemory-policy noeviction, and restart it; submit again what is missing.",
        )
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if int(info.get("maxmemory", 0)) and policy != "noeviction":
        yield Risk(
            f"Redis evicts keys when its memory is full ({policy}), and polls with them.",
            "Set maxmemory-policy noeviction.",
        )
    replicas = int(info.get("connected_slaves", 0))
    if replicas and not int(info.get("min_slaves_good_slaves", 0)):
        yield Risk(
            "Replicas follow asynchronously: a failover loses the polls of the last moments.",
            "Set min-replicas-to-write 1 and a small min-replicas-max-lag to bound that.",
        )
