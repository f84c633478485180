"""Signatures of Standard Webhooks, version ``v1``: HMAC-SHA256 (specification, "Signature scheme"). Pure.

What is signed is ``id.timestamp.body``; a secret is Base64 with ``whsec_`` before it, of 24 to 64 bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX = "whsec_"
#: Bytes of a secret.
SHORTEST, LONGEST = 24, 64


def key_of(secret: str) -> bytes:
    """Return the key that a secret is written for.

    Raises:
        ValueError: It is none; the message does not quote it.

    """
    text = secret.removeprefix(PREFIX)
    try:
        # Some write it without the padding.
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the secret of a webhook is whsec_ and Base64, and this is none") from None
    if not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(
            f"the secret of a webhook has {SHORTEST} to {LONGEST} bytes, and this has {len(key)}"
        )
    return key


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message; ``timestamp`` is epoch seconds.

    Raises:
        ValueError: The secret is none.

    """
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, hashlib.sha256)).decode()


def is_signed(secrets: Iterable[str], message_id: str, timestamp: int, body: bytes, signatures: str) -> bool:
    """Return whether one of the signatures, separated by spaces, is that of one of the secrets.

    Raises:
        ValueError: A secret is none.

    """
    given = [one.encode() for one in signatures.split(" ")]
    expected = [sign(secret, message_id, timestamp, body).encode() for secret in secrets]
    return any(hmac.compare_digest(one, other) for one in given for other in expected)
