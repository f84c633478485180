"""Credentials: secrets that workers hold, and that polls name (``auth="render-api"``)."""

from pollers.transport.credentials.credential import Credential
from pollers.transport.credentials.keyring import Keyring
from pollers.transport.credentials.sources import credential

__all__ = ["Credential", "Keyring", "credential"]
