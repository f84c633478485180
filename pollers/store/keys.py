"""The keys in Redis: every one is built here, with its type, content, size and life."""

from __future__ import annotations


class Keys:
    """The keys of one installation; all share one hash tag, so they live in one cluster slot."""

    def __init__(self, prefix: str) -> None:
        tag = "{" + prefix + "}:"
        #: HASH, poll id -> record (see `pollers.store.record`). Every poll whose outcome is not
        #: delivered yet; about 100 bytes and the spec each. No expiry: live state is never evicted.
        self.polls = tag + "polls"
        #: ZSET, poll id -> the moment in ms when somebody must look at it again: the due time of a
        #: waiting poll, the end of the lease of a dispatched or running one, the deadline of a
        #: parked one. Holds every live poll; about 140 bytes each.
        self.schedule = tag + "schedule"
        #: ZSET, poll id -> the moment in ms from which its held task may be published (again).
        #: Polls with an outcome that is not delivered yet.
        self.releases = tag + "releases"
        #: HASH, counter -> number, since the store was created, and when that was; ``last:<counter>`` -> when
        #: in ms something of `pollers.store.damage` last happened. About 70 small fields.
        self.stats = tag + "stats"
        #: SET, names of the queues that polls have asked for. A few.
        self.queues = tag + "queues"
        #: STRING, id of the poll that is attempted on its own, as its attempts have died with their
        #: workers. Expires with the lease of the attempt.
        self.suspect = tag + "suspect"
        #: HASH, gate -> what it remembers, as a MessagePack map (``scripts/gates.lua``): the limits that
        #: are set, and origins that something is known of. About 150 bytes each; an origin that no poll has
        #: asked for in a day is forgotten when others are met.
        self.gates = tag + "gates"
        #: ZSET, gate -> the moment in ms when the polls in its lot have their next turn. Only gates that
        #: polls wait at.
        self.turns = tag + "turns"
        #: ZSET, text -> 0: due polls that are parked, sorted by lot, priority and tag
        #: (``scripts/lots.lua``). About 150 bytes each.
        self.lots = tag + "lots"
        #: HASH, lot -> what it remembers, as a MessagePack map; and for each tenant with polls in it, where
        #: the last of them ends. Only lots with polls in them.
        self.flows = tag + "flows"
        #: HASH, poll id -> the limit in whose number of attempts in flight it counts.
        self.shares = tag + "shares"
        #: HASH, what the limits and breakers are: ``configured`` -> JSON of the workers' settings,
        #: ``limit:<name>`` -> a limit that was set by hand, as text. Empty when there are none.
        self.rules = tag + "rules"
        #: STRING, when an outage of all workers began and ended, and how many ms what was due meanwhile is
        #: spread over, as a MessagePack array. Expires then.
        self.outage = tag + "outage"
        #: HASH, digest of a request -> the poll that makes it for those that wait for its answer, and
        #: until when, as a MessagePack array. Only requests under way.
        self.asking = tag + "asking"
        #: HASH, ``here`` and ``servers`` -> over how many shards the polls are divided, in this store and by
        #: servers. Missing where there is one shard.
        self.layout = tag + "layout"
        #: HASH, what processes have counted of attempts and calls -> number (`pollers.store.meter`). About 20
        #: small fields for each of 50 origins.
        self.metrics = tag + "metrics"
        #: SET, ids of polls that were nudged while an attempt of theirs was under way. Expires in an hour,
        #: as those do that never settle.
        self.nudged = tag + "nudged"
        self._tag = tag

    def ended(self, poll_id: str) -> str:
        """STRING, the record of a delivered poll without its value. Expires with `result_expires`."""
        return f"{self._tag}ended:{poll_id}"

    def history(self, poll_id: str) -> str:
        """LIST, the last attempts of a poll (see `pollers.store.history`). Expires with ``ended:<id>``."""
        return f"{self._tag}history:{poll_id}"

    def admissions(self, origin: str) -> str:
        """STRING, polls of an origin that were admitted in this second. Expires with it."""
        return f"{self._tag}admissions:{origin}"

    def queued(self, queue: str) -> str:
        """ZSET, pack id -> end of its lease in ms. Packs that are sent but not begun; bounded."""
        return f"{self._tag}queued:{queue}"

    def workers(self, queue: str) -> str:
        """ZSET, worker name -> its last dispatch in ms. Workers that consume the queue."""
        return f"{self._tag}workers:{queue}"

    def for_queue(self, queue: str) -> list[str]:
        """Return the two keys of one queue in the order that ``dispatch.lua`` takes them."""
        return [self.queued(queue), self.workers(queue)]
