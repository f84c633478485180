"""What the outside sees of polls: events for Flower."""
