"""Nobody sees secrets."""

import pytest

from pollers.redaction import redact_params, redact_text, redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a?b=1", "https://example.com/a?b=1"),
        ("https://me:pw@example.com/a", "https://***@example.com/a"),
        ("https://example.com/?access_token=x&b=1", "https://example.com/?access_token=***&b=1"),
        ("https://example.com/?X-Amz-Signature=x", "https://example.com/?X-Amz-Signature=***"),
        ("https://example.com/?sig=x&monkey=y", "https://example.com/?sig=***&monkey=y"),
        ("https://example.com/?api_key=", "https://example.com/?api_key=***"),
        ("https://[broken", "***"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    """User information, and query values whose names say that they are secret."""
    assert redact_url(url) == shown


def test_parameters_are_shown_without_their_secrets() -> None:
    """At any depth, in headers, query and bodies."""
    shown = redact_params(
        {
            "url": "https://example.com/?token=x",
            "headers": {"Authorization": "Bearer x", "X-Api-Key": "x", "Accept": "*/*"},
            "params": {"key": "x", "page": 2},
            "json": {"login": {"password": "x", "name": "me"}, "list": [{"secret": "x"}]},
            "until": "status == 'completed'",
        }
    )
    assert "x" not in [*shown["headers"].values(), shown["params"]["key"]]
    assert shown["url"] == "https://example.com/?token=***"
    assert shown["headers"]["Accept"] == "*/*"
    assert shown["params"]["page"] == 2
    assert shown["json"] == {"login": {"password": "***", "name": "me"}, "list": [{"secret": "***"}]}


def test_a_body_of_text_is_not_shown() -> None:
    """It may be anything."""
    assert redact_params({"data": "password=x"})["data"] == "***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"status": "running", "tokens": 3}', '{"status": "running", "tokens": "***"}'),
        ('{"access_token":"abc","b":"c"}', '{"access_token":"***","b":"c"}'),
        ('{"a": {"password": "x \\" y", "n": 1}}', '{"a": {"password": "***", "n": 1}}'),
        ('{"secret": "cut off at the e', '{"secret": "***"'),
        ('{"credentials": {"user": "me"}, "n": 1}', '{"credentials": "***"'),
        ('{"inner": "{\\"token\\": \\"abc\\"}"}', '{"inner": "{\\"token\\": "***"}"}'),
        ("state=done&sig=abc&n=1", "state=done&sig=***&n=1"),
        ("<job><apikey>abc</apikey><n>1</n></job>", "<job><apikey>***</apikey><n>1</n></job>"),
        ("see https://me:pw@example.com/a?sig=x", "see https://***@example.com/a?sig=***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("nothing to hide, 5 < 6 = no", "nothing to hide, 5 < 6 = no"),
    ],
)
def test_an_excerpt_is_shown_without_its_secrets(text: str, shown: str) -> None:
    """Wherever a name says that a value is secret: JSON, also cut off or inside JSON; forms; XML; URLs."""
    assert redact_text(text) == shown
