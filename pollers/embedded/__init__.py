"""Valkey for a machine without Redis: one server for each project directory, shared by its users."""

from pollers.embedded.directory import state_directory
from pollers.embedded.sharing import serve

__all__ = ["serve", "state_directory"]
