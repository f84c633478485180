"""A real worker whose polls are in a Redis Cluster, and whose broker is another Redis."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import running
from tests.endpoints import Endpoint
from tests.system.commands import Commands
from tests.system.workers import Worker
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


def test_polls_go_all_the_way_through_a_cluster(redis_url: str, endpoint: Endpoint, tmp_path: Path) -> None:
    """Submitted by command line, to shards on each of its nodes, attempted and delivered by a worker."""
    urls = [endpoint.becomes(f"/{n}", {"status": "completed", "n": n}, after=1) for n in range(8)]
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    condition = ("--until", "status == 'completed'", "--returns", "n", "--every", "500ms")
    with running(tmp_path) as cluster:
        settings = {
            "POLLERS_REDIS_URL": cluster.urls[0],
            "POLLERS_SHARDS": "2",
            "CELERY_BROKER_URL": redis_url,
            "CELERY_RESULT_BACKEND": redis_url,
        }
        commands = Commands(tmp_path, settings)
        with Worker(cluster.urls[0], name="clustered", app="pollers", settings=settings):
            batch = commands("submit", "@urls.txt", *condition, "--json")
            assert batch.code == 0, batch.err
            ended = commands("submit", urls[0], *condition, "--wait", "--json")
            assert ended.json()["value"] == 0, ended.err
            wait_until(lambda: commands("ls", "--json").json() == [], 20)
            told = commands("doctor", "--json").json()
            assert told["workers"] == ["clustered@tests"]
        assert all(node.dbsize() > 4 for node in cluster.nodes)


def test_a_cluster_alone_is_not_enough(redis_url: str, tmp_path: Path) -> None:
    """A worker says that Celery needs a broker, before it starts."""
    worker = Worker("redis+cluster://127.0.0.1:1", name="alone", app="pollers")
    with worker.launched():
        wait_until(lambda: worker.process is not None and worker.process.poll() is not None, 20)
        assert "set broker_url and result_backend to another Redis" in worker.log()
        assert "Traceback" not in worker.log()
