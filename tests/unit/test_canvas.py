"""Which signatures can hang on a poll."""

from __future__ import annotations

from typing import Any

import pytest
from celery import chain, chord, group, signature
from celery.canvas import xmap

from pollers.canvas import inapplicable

STEP = signature("tests.step", args=(1,))
WRITTEN = {"task": "tests.step", "args": [], "kwargs": {}, "options": {}}


@pytest.mark.parametrize(
    "one",
    [
        STEP,
        WRITTEN,
        {**WRITTEN, "subtask_type": None, "immutable": True, "chord_size": None},
        chain(STEP, STEP),
        group(STEP, STEP),
        chord([STEP, STEP], STEP),
        chain(STEP, group(STEP, STEP), STEP),
        xmap(STEP, [1, 2]),
        {**WRITTEN, "subtask_type": "chord", "kwargs": {"header": [WRITTEN], "body": WRITTEN, "kwargs": {}}},
    ],
)
def test_what_celery_applies_is_taken(one: Any) -> None:
    """Alone and in a list; a poll without any has nothing to look at."""
    assert inapplicable({"link": one, "link_error": [one], "chain": [one, one], "chord": one}) == {}
    assert inapplicable({"link": None, "link_error": [], "chain": (), "chord": ""}) == {}


@pytest.mark.parametrize(
    "one",
    [
        5,
        None,
        b"tests.step",
        [WRITTEN],
        {},
        {"task": "tests.step"},
        {**WRITTEN, "task": 5},
        {**WRITTEN, "task": ""},
        {**WRITTEN, "args": None},
        {**WRITTEN, "kwargs": [1]},
        {**WRITTEN, "kwargs": None},
        {**WRITTEN, "options": None},
        {**WRITTEN, "subtask_type": "nosuch"},
        {**WRITTEN, "subtask_type": {"a": 1}},
        {**WRITTEN, "subtask_type": "chain"},
        {**WRITTEN, "subtask_type": "group", "kwargs": {"tasks": [WRITTEN, 5]}},
        {**WRITTEN, "subtask_type": "chord", "kwargs": {"header": [WRITTEN]}},
    ],
)
def test_what_celery_cannot_apply_is_told(one: Any) -> None:
    """By the option that has it."""
    options = {"link": [WRITTEN, one], "link_error": [one], "chain": [one], "chord": one or 5}
    assert list(inapplicable(options)) == ["link", "link_error", "chain", "chord"]


def test_the_name_of_a_task_is_an_errback_only() -> None:
    """As Celery has it."""
    options = dict.fromkeys(("link", "link_error", "chain", "chord"), "tests.step")
    assert list(inapplicable(options)) == ["link", "chain", "chord"]
