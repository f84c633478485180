"""Benchmarks: what an attempt costs here, in a hand-written Celery poller, and in a bare loop."""
