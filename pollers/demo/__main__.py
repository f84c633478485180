"""`python -m pollers.demo run`: the whole system at work on a picture, in one command."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from pollers import PollError, PollResult, StoreUnavailable, UnknownPoll, overview
from pollers.demo.ending import Ending
from pollers.demo.faults import Chance
from pollers.demo.mandelbrot import View
from pollers.demo.progress import LOOK_EVERY, Display, Look, Watch
from pollers.demo.service import Service
from pollers.demo.stage import Logs, Stage, stage
from pollers.demo.tasks import picture
from pollers.embedded import state_directory

#: The farm renders one tile in so many at a time: any picture takes about as long.
TILES_PER_PLACE = 8


class Unfinished(PollError):
    """There is no picture, or not in time."""


@click.group()
def main() -> None:
    """The render farm: a Mandelbrot picture from a service that makes its callers wait."""


@main.command()
@click.option("--tiles", type=click.IntRange(1, 400), default=64, show_default=True)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="mandelbrot.png",
    show_default=True,
)
@click.option("--keep", is_flag=True, help="Keep everything up afterwards, until Ctrl-C.")
@click.option("--seed", default=1, show_default=True, help="Decides the farm's faults and delays.")
@click.option("--limit", default=180.0, show_default=True, help="Seconds the picture may take.")
def run(tiles: int, output: Path, keep: bool, seed: int, limit: float) -> None:
    """Start Valkey, the farm, two workers and Flower; render the picture; stop them."""
    console, view, output = Console(), View.of_tiles(tiles), output.absolute()
    logs = Logs(state_directory() / "demo")
    places, ending = max(2, tiles // TILES_PER_PLACE), Ending()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.BadParameter(str(error), param_hint="--output") from None
    try:
        click.echo("Starting Valkey, the render farm, two workers and Flower ...")
        with stage(Chance(seed=seed), places=places, logs=logs, ending=ending) as running:
            click.echo(f"Flower listens on {running.polls_page}\nLogs are in {logs.directory}")
            look = render(running, view, output, limit, Display(console), ending)
            click.echo(summary(look, running, output))
            if keep:
                click.echo("All of it stays up until Ctrl-C.")
                while True:
                    running.children.check()
                    ending.wait(LOOK_EVERY)
            click.echo("Stopping ...")
    except PollError as error:
        click.echo(f"{logs.tail(error)}\nThe demo failed: {error}\nLogs are in {logs.directory}", err=True)
        sys.exit(1)


@main.command()
@click.option("--port", default=8800, show_default=True)
@click.option("--seed", default=1, show_default=True, help="Decides the faults and delays.")
def farm(port: int, seed: int) -> None:
    """Run the farm alone, until Ctrl-C, to try polls on it by hand."""
    with Service(Chance(seed=seed), port=port) as service:
        click.echo(f"The render farm listens on {service.url}")
        ending = Ending()
        while True:
            ending.wait(LOOK_EVERY)


def render(running: Stage, view: View, output: Path, limit: float, display: Display, ending: Ending) -> Look:
    """Submit the picture and show its progress until it is written.

    Raises:
        Unfinished: It failed, or took more than `limit` seconds.
        ChildEnded: A worker or Flower ended meanwhile.

    """
    with tempfile.TemporaryDirectory(prefix="pollers-tiles-") as name:
        directory = Path(name)
        watch = Watch(view, directory, overview)
        result = picture(running.farm.url, view, directory, output).delay()
        # Not before the workers have stopped: until then, they start tiles and so admit polls.
        running.afterwards.callback(cancel, result)
        with display:
            while True:
                look = watch.look()
                display.show(look, watch.preview)
                if result.ready():
                    break
                running.children.check()
                if look.elapsed > limit:
                    raise Unfinished(f"no picture after {limit:g} s: {look.line()}")
                ending.wait(LOOK_EVERY)
        if not result.successful():
            raise Unfinished(f"the picture failed: {result.result!r}")
        return watch.look()


def cancel(result: Any) -> None:
    """Cancel the polls of a picture that was given up, so that no later worker goes on with them."""
    for fetched in result.parent.results:
        if isinstance(fetched.parent, PollResult):
            try:
                fetched.parent.cancel()
            except UnknownPoll:
                continue  # its tile has not been started
            except StoreUnavailable:
                return


def summary(look: Look, running: Stage, output: Path) -> str:
    """What was done, for people."""
    counted = look.overview
    lines = {
        "picture": str(output),
        "tiles": f"{look.tiles} in {look.elapsed:.1f} s",
        "attempts": str(look.attempts),
        **{f"answers to {kind}": _counts(of) for kind, of in running.farm.stats()["answers"].items()},
        "lateness": f"p50 {counted.lateness_p50:.0f} ms, p99 {counted.lateness_p99:.0f} ms",
        "Flower": running.polls_page,
    }
    return "\n".join(f"{name:<18} {value}" for name, value in lines.items())


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} x {answer}" for answer, count in counts.items())


if __name__ == "__main__":
    main(prog_name="python -m pollers.demo")
