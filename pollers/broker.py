"""Kombu's Redis transport, without what packs have no use for.

Kombu emulates acknowledgements: a copy of each message waits in Redis until the message is acknowledged,
which takes two transactions. The polls of a pack are leased in the store, which knows sooner than the
broker when they were lost with their worker.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis, virtual

from pollers.attempt_task import ATTEMPT


class QoS(redis.QoS):
    """Keeps copies in Redis of the messages that are not acknowledged, but for those of packs."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note a message that was delivered."""
        if _is_pack(message):
            virtual.QoS.append(self, message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Forget a message that is done with."""
        if _is_pack(self._delivered.get(delivery_tag)):
            virtual.QoS.ack(self, delivery_tag)
        else:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Forget a message, and put it back where it is to be delivered again."""
        message = self._delivered.get(delivery_tag)
        if _is_pack(message):
            if requeue:
                self._put_back(message)
            virtual.QoS.ack(self, delivery_tag)
        else:
            super().reject(delivery_tag, requeue=requeue)

    def restore_unacked(self, client: Any = None) -> None:
        """Put back what was delivered and not begun, when the worker stops."""
        for delivery_tag, message in list(self._delivered.items()):
            if _is_pack(message):
                del self._delivered[delivery_tag]
                self._put_back(message)
        super().restore_unacked(client)

    def _put_back(self, message: Any) -> None:
        virtual.Channel._restore(self.channel, message)


class Channel(redis.Channel):
    """A channel whose messages this module's `QoS` looks after."""

    QoS = QoS


class Transport(redis.Transport):
    """A transport of this module's channels."""

    Channel = Channel

    @classmethod
    def use_on(cls, connection: Any) -> None:
        """Have a connection that is not made yet use this transport where it would use kombu's."""
        if connection.get_transport_cls() is redis.Transport:
            # How it is shown stays the same.
            connection.resolve_aliases = {cls: connection.transport_cls}
            connection.transport_cls = cls


def _is_pack(message: Any) -> bool:
    headers = getattr(message, "headers", None)
    return isinstance(headers, dict) and headers.get("task") == ATTEMPT
