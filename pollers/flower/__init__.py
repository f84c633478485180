"""What makes Flower show and steer polls: rows for people, and an API that knows what a poll is.

Imported by Flower only, through its configuration (``config.py``); ``python -m pollers.flower``
prints where that is.
"""
