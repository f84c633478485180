"""`python -m pollers.flower`: where the shipped configuration of Flower is, for its option ``--conf``."""

from pathlib import Path

if __name__ == "__main__":
    print(Path(__file__).with_name("config.py"))  # noqa: T201  # what it is for
