"""An application of somebody's own, whose configuration is given in the environment as JSON."""

from __future__ import annotations

import json
import os

from celery import Celery

import pollers

app = Celery("plain", set_as_current=False)
app.conf.update(json.loads(os.environ["TESTS_CONFIGURATION"]))
pollers.setup(app)
