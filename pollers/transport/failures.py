"""What went wrong on the way, by kind and in a sentence."""

from __future__ import annotations

import http.client
import socket
import ssl

import requests
import urllib3.exceptions

from pollers.answer import Answer, AnswerError
from pollers.transport.watchdog import Guard


class Failed(Exception):
    """A request came to an end without a response; args are the `AnswerError` and its sentence."""


class Refused(Failed):
    """A request may not be made; built from the sentence that says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(AnswerError.REFUSED, sentence)


def explain(trouble: Exception, guard: Guard) -> tuple[AnswerError, str]:
    """Return what an exception means for the answer."""
    if isinstance(trouble, Failed):
        return trouble.args[0], trouble.args[1]
    if guard.expired:
        return AnswerError.TIMEOUT, ""
    causes = _causes(trouble)
    for cause in causes:
        for kinds, error, sentence in _KINDS:
            if isinstance(cause, kinds):
                return error, sentence.format(_short(causes[0]))
    return AnswerError.MALFORMED, f"the request failed: {_short(trouble)}"


def unsent(url: str, trouble: Exception, *, transient: bool = False) -> Answer:
    """Return the answer where no request could be sent: by its poll's fault, or, ``transient``, by ours."""
    error = AnswerError.MALFORMED if transient else AnswerError.REFUSED
    what = "the request failed" if transient else "it cannot be requested"
    text = f"{what}: {_short(trouble)}"
    return Answer(url=url, status=None, headers={}, body=b"", elapsed=0.0, error=error, error_text=text)


def cut_off(error: Exception) -> bool:
    """Return whether the connection ended before any byte of a response."""
    return any(
        isinstance(cause, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError)
        for cause in _causes(error)
    )


#: Kinds of exceptions and what they mean; the first that fits the innermost cause says what happened.
_KINDS: list[tuple[type[Exception] | tuple[type[Exception], ...], AnswerError, str]] = [
    (
        (urllib3.exceptions.NameResolutionError, socket.gaierror),
        AnswerError.DNS,
        "the host name is unknown: {}",
    ),
    (
        (ssl.SSLError, urllib3.exceptions.SSLError, requests.exceptions.SSLError),
        AnswerError.TLS,
        "TLS failed: {}",
    ),
    (http.client.RemoteDisconnected, AnswerError.CONNECTION, "the connection was closed without an answer"),
    (ConnectionError, AnswerError.CONNECTION, "no connection: {}"),
    # Before the timeouts: urllib3 derives it from them.
    (urllib3.exceptions.NewConnectionError, AnswerError.CONNECTION, "no connection: {}"),
    ((TimeoutError, urllib3.exceptions.TimeoutError, requests.Timeout), AnswerError.TIMEOUT, ""),
    (urllib3.exceptions.DecodeError, AnswerError.MALFORMED, "the body cannot be decompressed: {}"),
    (
        (http.client.IncompleteRead, urllib3.exceptions.IncompleteRead),
        AnswerError.CONNECTION,
        "the connection broke in the body: {}",
    ),
    (http.client.HTTPException, AnswerError.MALFORMED, "the answer is not HTTP: {}"),
    (
        (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader),
        AnswerError.REFUSED,
        "it cannot be requested: {}",
    ),
    (urllib3.exceptions.HTTPError, AnswerError.CONNECTION, "no answer: {}"),
    (requests.RequestException, AnswerError.CONNECTION, "no answer: {}"),
]


def _causes(trouble: BaseException) -> list[BaseException]:
    """Return an exception and those it wraps, the innermost first."""
    found: list[BaseException] = []
    pending: list[object] = [trouble]
    while pending:
        one = pending.pop()
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            pending += [*one.args, getattr(one, "reason", None), one.__cause__]
    return found[::-1]


def _short(trouble: BaseException) -> str:
    return " ".join(str(trouble).split())[:160] or type(trouble).__name__
