"""The `pollers` command, before anything is imported for it: Ctrl-C ends it without a traceback meanwhile.

It is beside the package, as all that is inside comes after the import of Celery, which takes longest.
"""

import signal


def main() -> None:
    """Run the command."""
    # What is ignored, as by a shell for a job in the background, stays ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # The command itself has Python's handler again, while it runs.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    from pollers.cli import main as command

    command()
