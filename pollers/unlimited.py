"""Tasks that Celery's rate limits do not slow: what spares services is decided before a task is sent."""

from __future__ import annotations

import logging
from typing import Any

from celery import Task

logger = logging.getLogger(__name__)


class Unlimited(Task):
    """A task without a rate limit, whatever Celery's configuration, annotations and remote control say.

    A pack may carry a hundred attempts of any services, and an outcome asks none: whatever such a limit is
    for, it would only make them late.
    """

    abstract = True

    @classmethod
    def on_bound(cls, app: Any) -> None:
        """Take back what annotations have set: they replace properties of the class."""
        cls.rate_limit = property(lambda task: None, cls._refuse)

    def _refuse(self, limit: Any) -> None:
        """Say that a limit is not kept; the reply of remote control cannot be changed."""
        logger.warning("%s has no rate limit, so %s is ignored; see pollers_limits.", self.name, limit)
