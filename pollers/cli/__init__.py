"""The `pollers` command: polls from a terminal, and what an operator needs beside them."""

from pollers.cli.commands import main

__all__ = ["main"]
