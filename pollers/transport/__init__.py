"""The HTTP side: requests in, answers out, whatever the network does. Knows no Redis and no Celery."""

from pollers.transport import debug_log as debug_log
from pollers.transport.credentials import credential
from pollers.transport.request import Request
from pollers.transport.transport import Transport

__all__ = ["Request", "Transport", "credential"]
