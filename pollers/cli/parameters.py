"""A poll's parameters as the options of a command: declared once, for `run` and `submit` alike."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from pollers import registry
from pollers.cli.typed import READERS

if TYPE_CHECKING:
    from pollers.spec import PollSpec

#: The options that are not called like the parameter they give.
_OPTIONS = {
    "url": "URL",
    "headers": "--header",
    "params": "--param",
    "keep_params": "--keep-param",
    "tags": "--tag",
    "json": "--json-body",
}

_CONDITION = (
    "a JMESPath expression on the JSON body, a status (404), statuses (200,201 or 2xx), or a Match as JSON"
)

#: Parameter -> (metavar, help) of its option, in the order of --help. Texts are passed on as they
#: are: what is wrong with them is told by the poll's own check, for all of them at once.
_HELP: dict[str, tuple[str, str]] = {
    "until": ("CONDITION", f"Success: {_CONDITION}. [default: a 2xx other than 202]"),
    "fail_when": ("CONDITION", "Failure, in the same forms. [default: never]"),
    "pending_on": (
        "CONDITION",
        "Answers that mean 'not yet': a status, or a Match as JSON; repeatable. [default: 202, 304]",
    ),
    "acceptors": ("JSON", "Acceptors of an AWS waiter instead; @FILE and @- as below."),
    "returns": ("EXPR", "JMESPath of the value to return. [default: the JSON body, else the text]"),
    "protocol": (
        "NAME",
        f"Convention that the API follows and that decides: {', '.join(registry.names())}, or JSON.",
    ),
    "start": ("yes|no", "Whether the request starts the operation, to be followed. [default: no]"),
    "keep_params": ("NAME", "A query parameter to keep on followed URLs; repeatable."),
    "conditional": ("yes|no", "Ask only for what has changed (ETag, Last-Modified). [default: yes]"),
    "carry": (
        "NAME=EXPR",
        "What EXPR finds in an answer, for {NAME} in the next request; repeatable.",
    ),
    "every": ("CADENCE", "Time between attempts: 5s; 1s,2s,5s; 1s..1m (doubling); or JSON. [default: 5s]"),
    "timeout": ("DURATION", "Longest time to wait: 30s, 10m, 2h30m. [default: 10m]"),
    "deadline": ("MOMENT", "The same as a moment: 2030-01-31T12:00:00Z."),
    "on_deadline": (
        "fail|succeed",
        "'succeed' polls for the whole time and returns the last answer. [default: fail]",
    ),
    "max_attempts": ("N", "Fail after so many attempts."),
    "max_errors": ("N", "Fail after so many transient errors in a row."),
    "long_poll": ("DURATION", "Ask the service to hold each request so long, and ask again at once."),
    "request_timeout": ("DURATION", "Longest time of one request. [default: 10s]"),
    "limit": ("NAME", "The limit that it keeps, by name. [default: that of its origin]"),
    "priority": ("high|normal|low", "Who goes first when more is due than can be done. [default: normal]"),
    "tenant": ("NAME", "Whose poll it is; tenants share evenly when more is due than can be done."),
    "coalesce": ("yes|no", "Share the answers to its request with polls that make the same. [default: no]"),
    "tags": ("WORD", "A word to list, pause and resume by; repeatable."),
    "webhook": ("URL", 'Where its end is told by a signed webhook, or JSON: {"url": ..., "auth": NAME}.'),
    "method": ("METHOD", "HTTP method. [default: GET]"),
    "auth": ("NAME", "Name of a credential of whoever makes the attempts; never the secret itself."),
    "headers": ("'NAME: VALUE'", "A header of the request; repeatable."),
    "params": ("NAME=VALUE", "A query parameter; repeatable."),
    "data": ("TEXT", "Body of the request; @FILE reads it from a file, @- from stdin."),
    "json": ("JSON", "Body of the request as JSON; @FILE and @- as above."),
}

#: All parameters.
ALL = tuple(_HELP)
#: Those that a poll has which runs here: its caller has the outcome.
HERE = tuple(name for name in ALL if name != "webhook")
#: Those of the request alone.
REQUEST = ("request_timeout", "method", "headers", "params", "data", "json")

_REPEATABLE = {"pending_on", "headers", "params", "keep_params", "carry", "tags"}


class PollId(click.ParamType):  # type: ignore[type-arg]
    """The id of a poll."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take anything but nothing, which a shell's variable is that was never set."""
        return str(value) or self.fail("is empty; give the id of a poll.", param, ctx)


def shown_name(field: str) -> str:
    """Return what a parameter is called at the command line."""
    if field not in ("url", *_HELP):
        return field
    return _OPTIONS.get(field, "--" + field.replace("_", "-"))


def poll_parameters(names: Iterable[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare parameters of a poll as options; the command gets them as its first argument."""
    chosen = list(names)

    def declare(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_parameters(**arguments: Any) -> Any:
            texts = {name: arguments.pop(f"poll_{name}") for name in ("url", *chosen)}
            return command(Given(texts=texts), **arguments)

        for name in reversed(chosen):
            metavar, text = _HELP[name]
            repeatable = name in _REPEATABLE
            option = click.option(
                *(f"poll_{name}", shown_name(name)), metavar=metavar, help=text, multiple=repeatable
            )
            with_parameters = option(with_parameters)
        return click.argument("poll_url", metavar="URL")(with_parameters)

    return declare


@dataclasses.dataclass(frozen=True, kw_only=True)
class Given:
    """A poll's parameters as they were typed."""

    #: Parameter -> text, texts of a repeatable option, or None when it was not given.
    texts: Mapping[str, Any]

    @property
    def source(self) -> str | None:
        """The file that has many URLs, ``-`` for stdin; None when there is one URL."""
        url = str(self.texts["url"])
        return url[1:] if url.startswith("@") else None

    def parse(self, *, min_interval: float) -> tuple[PollSpec, dict[str, Any]]:
        """Return the poll, and its parameters other than the url as `poll.delay` takes them.

        Raises:
            InvalidPoll: Naming all parameters that are wrong.

        """
        from pollers.errors import InvalidPoll
        from pollers.spec import PollSpec

        values, problems = self._read()
        spec = None
        try:
            spec = PollSpec.parse(**values, min_interval=min_interval, now=time.time())
        except InvalidPoll as error:
            problems = {**error.problems, **problems}
        if problems or spec is None:
            raise InvalidPoll.of(problems)
        del values["url"]
        return spec, values

    def common(self) -> dict[str, Any]:
        """Return the parameters other than the url, for many polls.

        Raises:
            InvalidPoll: Naming all parameters that cannot be read.

        """
        from pollers.errors import InvalidPoll

        values, problems = self._read()
        if problems:
            raise InvalidPoll.of(problems)
        del values["url"]
        return values

    def _read(self) -> tuple[dict[str, Any], dict[str, str]]:
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for name, text in self.texts.items():
            if text in (None, ()):
                continue
            try:
                values[name] = READERS[name](text) if name in READERS else text
            except ValueError as error:
                problems[name] = str(error)
        return values, problems
