"""An application whose worker leaves the root logger to whoever has set it up, where it is told to."""

from __future__ import annotations

import logging
import os

from pollers import app

app.conf.worker_hijack_root_logger = os.environ["TESTS_HIJACK"] == "1"
if not app.conf.worker_hijack_root_logger:
    logging.basicConfig(format="an application's own: %(message)s")
