"""The HTTP side: requests in, answers out, whatever the network does. Knows no Redis and no Celery."""

from typing import TYPE_CHECKING

from pollers.later import later
from pollers.transport.request import Request

if TYPE_CHECKING:
    from pollers.transport.credentials.sources import credential
    from pollers.transport.failures import unsent
    from pollers.transport.transport import Transport

__getattr__ = later(
    __name__,
    {
        "Transport": "pollers.transport.transport",
        "credential": "pollers.transport.credentials.sources",
        "unsent": "pollers.transport.failures",
    },
)

__all__ = ["Request", "Transport", "credential", "unsent"]
