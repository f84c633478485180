"""Tests that need public addresses on this machine: a network namespace of their own (make network)."""
