"""The debug log of urllib3, which writes a line for each request, without queries: keys stand there."""

from __future__ import annotations

import logging

from pollers.redaction import MASK


class WithoutQueries(logging.Filter):
    """Lets every record through, with the queries of URLs masked."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_masked(argument) for argument in record.args)
        return True


def _masked(argument: object) -> object:
    if not isinstance(argument, str) or "?" not in argument:
        return argument
    return argument.partition("?")[0] + "?" + MASK


logging.getLogger("urllib3.connectionpool").addFilter(WithoutQueries())
