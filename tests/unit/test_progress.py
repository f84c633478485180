"""What one attempt leaves for the next, as it is written."""

from __future__ import annotations

import pytest

from pollers.progress import NONE, Progress


def test_nothing_to_keep_is_no_text() -> None:
    """A plain poll's record stays as small as it was."""
    assert Progress().to_json() == ""
    assert Progress.from_json("") is NONE


def test_a_progress_survives_being_written() -> None:
    """What has its default is left out."""
    progress = Progress(errors=2, value={"n": [1, None]})
    assert progress.to_json() == '{"errors":2,"value":{"n":[1,null]}}'
    assert Progress.from_json(progress.to_json()) == progress


def test_fields_of_other_versions_are_left_out() -> None:
    """A record may have been written by another release."""
    assert Progress.from_json('{"delay":5.0,"charm":"strange"}') == Progress(delay=5.0)


@pytest.mark.parametrize("damaged", ["{damaged", "[[1]]", "7", "null", "[1,2]"])
def test_a_damaged_progress_is_that_of_the_beginning(damaged: str) -> None:
    """The poll goes on."""
    assert Progress.from_json(damaged) is NONE


def test_half_a_character_is_written_as_its_escape() -> None:
    """JSON can say it, and UTF-8, in which Redis gets the text, cannot."""
    progress = Progress(value=["\ud83d", "Zo\xeb"])
    assert progress.to_json().encode() == b'{"value":["\\ud83d","Zo\\u00eb"]}'
    assert Progress.from_json(progress.to_json()) == progress
    assert Progress(value="Zo\xeb").to_json() == '{"value":"Zo\xeb"}'
