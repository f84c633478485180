"""`python -m pollers.cli`: the same as the installed `pollers` command."""

from pollers.cli import main

if __name__ == "__main__":
    main(prog_name="pollers")
