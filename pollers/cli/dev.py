"""`pollers dev`: everything that polls need, in one terminal."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Worker processes.",
)
@click.option(
    "--flower-port",
    type=click.IntRange(0, 65535),
    default=5555,
    show_default=True,
    help="Port of Flower, the next free one when it is taken; 0 for no Flower.",
)
@click.option("--loglevel", default="INFO", show_default=True, help="Of the workers and Flower.")
def dev(workers: int, flower_port: int, loglevel: str) -> None:
    """Run Valkey, workers and Flower in this terminal, until Ctrl-C.

    Valkey keeps its data from one run to the next. With POLLERS_REDIS_URL set, that Redis is used
    instead. `pollers submit` and the other commands, run in the same directory, work with it.

    Flower lists the polls; its buttons are for whoever has the password in FLOWER_BASIC_AUTH.

    \b
    Examples:
      pollers dev --workers 2
      FLOWER_BASIC_AUTH=me:secret pollers dev
    """
    from pollers.cli.development import develop

    develop(workers=workers, flower_port=flower_port, loglevel=loglevel)
