"""What MkDocs fills in when it builds the pages: the help of the commands, as they print it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from click import Group
from click.testing import CliRunner

from pollers.cli import main

IMAGES = Path(__file__).parent / "images"
MARKER = "<!-- help of all commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the help in the place of the marker."""
    return markdown.replace(MARKER, "\n".join(_helps(main))) if MARKER in markdown else markdown


def _helps(group: Group) -> Iterator[str]:
    within = (
        [name, *inner]
        for name, command in sorted(group.commands.items())
        for inner in ([], *([one] for one in sorted(getattr(command, "commands", ()))))
    )
    for names in ([], *within):
        text = CliRunner().invoke(group, [*names, "--help"], prog_name="pollers", terminal_width=80).output
        yield f"## {' '.join(['pollers', *names])}\n\n```text\n{text}```\n"
        picture = f"terminal-{'-'.join(names)}.svg"
        if names and (IMAGES / picture).exists():
            yield f"![pollers {' '.join(names)}, in a terminal](images/{picture})\n"
