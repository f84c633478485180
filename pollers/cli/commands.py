"""The commands by name. Nothing heavy is imported before one runs, so that help is quick."""

import click

from pollers.cli.dev import dev
from pollers.cli.doctor import doctor
from pollers.cli.exits import Commands
from pollers.cli.guest import limits, origins
from pollers.cli.ls import ls
from pollers.cli.metrics import metrics
from pollers.cli.probe import probe
from pollers.cli.run import run
from pollers.cli.show import show
from pollers.cli.steer import cancel, nudge, pause, resume
from pollers.cli.submit import submit
from pollers.cli.top import top


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Without POLLERS_REDIS_URL, or a celeryconfig.py that names a Redis, the commands share "
    "a Valkey of this directory's own, which the first of them starts.",
)
@click.version_option(package_name="pollers")
@click.option("--traceback", is_flag=True, help="Show where in the program an error came from.")
def main(traceback: bool) -> None:
    """Wait for remote operations: from here, or on workers.

    Exit codes: 0 succeeded, 1 failed, rejected or cancelled, 2 wrong usage, 124 timed out, 130 interrupted,
    143 terminated, 129 hung up.
    """


for command in (
    *(run, submit, probe, ls, show, top, cancel, nudge, pause, resume),
    *(limits, origins, metrics, doctor, dev),
):
    main.add_command(command)
