"""What the outside sees of polls: events for Flower, lines of the log, spans of traces, and metrics."""
