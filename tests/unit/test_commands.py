"""Every command of `pollers`: what its help has, and that programs can read what it prints."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from pollers.cli.commands import main

#: Runs other programs until Ctrl-C, and prints what they print.
PRINTS_LOGS = {"dev"}


def _commands(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from _commands(command, *path, name)


COMMANDS = dict(_commands(main))


@pytest.mark.parametrize("name", COMMANDS)
def test_its_help_has_examples(name: str) -> None:
    """Of itself, after one line that says what it does."""
    help_text = COMMANDS[name].help or ""
    _, _, examples = help_text.partition("Example")
    assert f"pollers {name}" in examples
    assert len(help_text.splitlines()[0]) <= 110


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in PRINTS_LOGS])
def test_what_it_prints_for_people_it_prints_as_json_too(name: str) -> None:
    """With the same option everywhere."""
    assert "--json" in {option for parameter in COMMANDS[name].params for option in parameter.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is_for(name: str) -> None:
    """In a sentence."""
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
