"""Shards: the schedules that polls are divided over by their ids, and what each gets of a whole. Pure."""

from __future__ import annotations

import re
from binascii import crc_hqx
from itertools import count
from zlib import crc32

#: Most shards: an idle worker asks each of them eight times a second.
MOST = 64
#: Slots of a Redis Cluster, and how near to its place among them a shard's has to be.
SLOTS, NEAR = 16384, 200
#: The share of a circle that spreads points evenly, however many there are.
GOLDEN = 0.618034


def shard_of(poll_id: str, shards: int) -> int:
    """Return the number of the shard that takes a poll: the same in every process on every machine."""
    return crc32(poll_id.encode()) % shards


def prefix_of(prefix: str, number: int) -> str:
    """Return the prefix of the keys of one of several shards in a store; the first has that of one alone.

    It is the hash tag of its keys, which says where in a cluster they are. So it is chosen to lie far
    from the others', by the golden ratio: as many shards as there are, they are spread over the slots.
    """
    if number == 0:
        return prefix
    wanted = (_slot(prefix) + round(number * SLOTS * GOLDEN)) % SLOTS
    names = (f"{prefix}:{number}.{variant}" for variant in count())
    return next(name for name in names if abs(_slot(name) - wanted) <= NEAR)


def _slot(tag: str) -> int:
    """Return the slot of a hash tag: CRC16 modulo 16384 (Redis Cluster specification)."""
    return crc_hqx(tag.encode(), 0) % SLOTS


def parse_shards(value: object) -> int | tuple[str, ...]:
    """Read a number of shards, or the URLs of their servers as a list, or as text with commas.

    Raises:
        ValueError: It is neither, or a server is named twice.

    """
    text = str(value).strip()
    if re.fullmatch(r"\d{1,6}", text, re.ASCII):
        if not 1 <= int(text) <= MOST:
            raise ValueError(f"it should be a number from 1 to {MOST}")
        return int(text)
    urls = value.split(",") if isinstance(value, str) else value
    if not isinstance(urls, list | tuple) or not all("://" in str(url) for url in urls) or not urls:
        raise ValueError(f"it should be a number from 1 to {MOST}, or a list of the URLs of Redis servers")
    urls = tuple(str(url).strip() for url in urls)
    if len(set(urls)) < len(urls):
        raise ValueError("it should name each server once")
    if len(urls) > MOST:
        raise ValueError(f"it should have {MOST} URLs at most")
    return urls
