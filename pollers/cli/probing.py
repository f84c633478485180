"""One request, and the poll that its answer suggests."""

from __future__ import annotations

import json
import shlex
from typing import Any

import click

from pollers import app
from pollers.cli.exits import FAILED, SUCCEEDED
from pollers.cli.parameters import Given, shown_name
from pollers.cli.text import printable, write_json
from pollers.protocols.recognise import Suggestion, recognise
from pollers.runtime import runtime_of
from pollers.spec import PollSpec
from pollers.transport import Request


def probe_url(given: Given, *, as_json: bool) -> int:
    """Ask, print what the answer suggests, and return the exit code."""
    runtime = runtime_of(app)
    spec, _ = given.parse(min_interval=runtime.settings.min_interval)
    try:
        answer = runtime.transport.fetch(Request.of(spec), timeout=spec.request_timeout)
    finally:
        runtime.transport.close()
    if answer.error is not None:
        click.echo(printable(f"{spec.shown()['url']} gave no answer: {answer.error_text}"), err=True)
        return FAILED
    suggestion = recognise(answer)
    params = {**_request(spec), **suggestion.params}
    if spec.method not in ("GET", "HEAD") and suggestion.protocol not in (None, "device-flow"):
        params["start"] = True
    url = str(spec.shown()["url"])
    if as_json:
        write_json(
            {
                "status": answer.status,
                "protocol": suggestion.protocol,
                "why": suggestion.why,
                "url": url,
                "params": params,
            }
        )
        return SUCCEEDED
    click.echo(printable(f"HTTP {answer.status} in {answer.elapsed * 1000:.0f} ms: {answer.excerpt()}"))
    click.echo(printable(_words(suggestion)))
    click.echo("\n" + printable(_python(url, params)))
    click.echo(printable(_command(url, params)))
    return SUCCEEDED


def _request(spec: PollSpec) -> dict[str, Any]:
    """Return the parameters of the request as people may see them."""
    shown = spec.shown()
    return {name: shown[name] for name in ("method", "headers", "params", "json", "data") if name in shown}


def _words(suggestion: Suggestion) -> str:
    if suggestion.protocol is None:
        return suggestion.why
    return f'{suggestion.why} That is the convention "{suggestion.protocol}".'


def _python(url: str, params: dict[str, Any]) -> str:
    if not params.get("start"):
        return f"poll.delay({url!r}{_keywords(params)})"
    rest = {name: value for name, value in params.items() if name not in ("method", "start")}
    return f"poll.start({params['method']!r}, {url!r}{_keywords(rest)})"


def _keywords(params: dict[str, Any]) -> str:
    return "".join(f", {name}={value!r}" for name, value in params.items())


def _command(url: str, params: dict[str, Any]) -> str:
    words = ["pollers", "run", url]
    for name, value in params.items():
        for text in _texts(name, value):
            words += [shown_name(name), text]
    return shlex.join(words)


def _texts(name: str, value: Any) -> list[str]:
    if name == "headers":
        return [f"{header}: {text}" for header, text in value.items()]
    if name == "params":
        return [f"{param}={text}" for param, text in value.items()]
    if value is True:
        return ["yes"]
    return [value if isinstance(value, str) else json.dumps(value)]
