"""Settings come from Celery's configuration and the environment, and are checked once."""

from typing import Any

import pytest

from pollers.politeness import Breaker
from pollers.settings import DEFAULT_REDIS_URL, InvalidSetting, Settings


def test_there_is_a_default_for_everything() -> None:
    """And the Redis on this machine."""
    assert Settings.read({}, {}) == Settings()
    assert Settings().redis_url == DEFAULT_REDIS_URL


def test_the_environment_wins_over_the_configuration() -> None:
    """A deployment can override a file."""
    conf = {"pollers_pack_size": 10, "pollers_lease": "20s"}
    settings = Settings.read(conf, {"POLLERS_PACK_SIZE": "1"})
    assert (settings.pack_size, settings.lease) == (1, 20.0)


@pytest.mark.parametrize(
    ("conf", "environ", "url"),
    [
        ({"broker_url": "redis://a"}, {}, "redis://a"),
        ({"broker_url": "amqp://a", "result_backend": "rediss://b"}, {}, "rediss://b"),
        ({"broker_url": "redis://a"}, {"CELERY_BROKER_URL": "redis://c"}, "redis://c"),
        ({"broker_url": "redis://a", "pollers_redis_url": "redis://d"}, {}, "redis://d"),
        ({"pollers_redis_url": "redis://d"}, {"POLLERS_REDIS_URL": "redis://e"}, "redis://e"),
        ({"broker_url": "amqp://a"}, {}, DEFAULT_REDIS_URL),
    ],
)
def test_the_store_is_where_celerys_redis_is_unless_it_is_said(
    conf: dict[str, Any], environ: dict[str, str], url: str
) -> None:
    """One address is enough."""
    assert Settings.read(conf, environ).redis_url == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pack_size", "many"),
        ("pack_size", "0"),
        ("concurrency", "-1"),
        ("lease", "soon"),
        ("min_interval", "0"),
        ("attempt_events", "-2"),
        ("prefix", "a{b"),
        ("limits", "10/s"),
        ("limits", '{"a": "fast"}'),
        ("breaker", '{"ratio": 2}'),
        ("hold", "everything"),
        ("open_breaker", "break"),
        ("longest_hold", "0"),
        ("rate_limit_headers", "perhaps"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str) -> None:
    """By the name it was given under."""
    with pytest.raises(InvalidSetting, match=f"(?i)pollers_{name}"):
        Settings.read({}, {f"POLLERS_{name.upper()}": value})


def test_mappings_are_read_from_a_configuration_and_as_json_from_the_environment() -> None:
    """Limits and breakers."""
    conf = {"pollers_limits": {"default": "10/s"}, "pollers_breaker": {}}
    settings = Settings.read(conf, {"POLLERS_RATE_LIMIT_HEADERS": "true"})
    assert settings.limits.texts() == {"default": "10/s"}
    assert settings.breaker == Breaker()
    assert settings.rate_limit_headers
    environ = {"POLLERS_LIMITS": '{"*.internal": "5/s"}', "POLLERS_BREAKER": '{"window": "1m"}'}
    settings = Settings.read(conf, environ)
    assert settings.limits.texts() == {"*.internal": "5/s"}
    assert settings.breaker == Breaker(window=60.0)
