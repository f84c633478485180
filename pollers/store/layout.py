"""The layout: over how many shards the polls of an installation are divided, noted where they are.

More shards than before are no danger: a poll that is where its id does not say is looked for in all of them.
Fewer would leave polls behind that nobody attempts, so workers do not start with fewer than are noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

from pollers.errors import InvalidSetting
from pollers.settings import Settings
from pollers.store.connection import translated_errors
from pollers.store.store import Store


class Layout(NamedTuple):
    """How many shards there are: several in one store, or one in each of several servers."""

    here: int
    servers: int

    @classmethod
    def of(cls, settings: Settings, *, retired: int = 0) -> Self:
        """Return the layout that is configured, but for some retired shards."""
        if isinstance(settings.shards, int):
            return cls(settings.shards - retired, 1)
        return cls(1, len(settings.shards) - retired)

    def noted(self, store: Store) -> Layout:
        """Note in a store which shards take new polls; return what was noted before."""
        return Layout(*store.calls.run("adopt", [store.keys.layout], [*self]))


def adopt(store: Store, settings: Settings) -> bool:
    """Note the shards that are configured in one of their stores; return whether it was none of them before.

    Raises:
        InvalidSetting: There are more shards, which may have polls.
        StoreUnavailable: Redis cannot be reached.

    """
    taking, all_of_them = Layout.of(settings, retired=settings.retired_shards), Layout.of(settings)
    known = taking.noted(store)
    if known.here > all_of_them.here or known.servers > all_of_them.servers:
        raise InvalidSetting(
            f"pollers_shards is {_words(all_of_them)}, and the polls are in {_words(known)}: what is in the "
            "others would be attempted by nobody. Name all, and say how many are to go, from the end, as "
            "pollers_retired_shards, until a worker says that these are empty."
        )
    return known == (0, 0) and taking != (1, 1)


def forget_retired(stores: Sequence[Store], settings: Settings) -> bool:
    """Note that the retired shards are none any more, if all of them are empty; return whether they are.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    layout = Layout.of(settings, retired=settings.retired_shards)
    taking = len(stores) - settings.retired_shards
    for store in stores[taking:]:
        with translated_errors(store.client):
            if store.client.exists(store.keys.polls):
                return False
    for store in stores[:taking]:
        with translated_errors(store.client):
            store.client.hset(store.keys.layout, mapping={"here": layout.here, "servers": layout.servers})
    return True


def _words(layout: Layout) -> str:
    if layout.servers > 1:
        return f"{layout.servers} servers"
    return "1 schedule" if layout.here == 1 else f"{layout.here} schedules of one store"
