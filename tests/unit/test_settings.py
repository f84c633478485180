"""Settings come from Celery's configuration and the environment, and are checked once."""

from typing import Any

import pytest
from celery import Celery

from pollers import InvalidSetting
from pollers.politeness import Breaker
from pollers.runtime import runtime_of
from pollers.settings import DEFAULT_REDIS_URL, Settings, misspelt


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


def test_lists_and_switches_are_read_from_text_and_from_python() -> None:
    """A variable has commas and words; a configuration has lists and booleans."""
    by_variable = Settings.read(
        {}, {"POLLERS_ALLOWED_HOSTS": "a.example, *.b.example,", "POLLERS_BLOCK_PRIVATE": "Yes"}
    )
    by_configuration = Settings.read(
        {"pollers_allowed_hosts": ["a.example", "*.b.example"], "pollers_block_private": True}, {}
    )
    assert by_variable == by_configuration
    assert by_variable.allowed_hosts == ("a.example", "*.b.example")


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
        ("redis_url", "http://x"),
        ("redis_url", "redis://host:port/0"),
        ("redis_url", "redis://host/abc"),
        ("redis_url", "rediss://[host/0"),
        ("block_private", "perhaps"),
        ("allowed_hosts", "https://api.example.com"),
        ("denied_hosts", "b\u00fccher.example"),
        ("proxy", "proxy.example:3128"),
        ("max_retry_after", "0"),
        ("allowed_networks", "10.0.0.0/8, 10.1.0.0/33"),
        ("limits", "10/s"),
        ("limits", '{"a": "fast"}'),
        ("limits", '{"a": "1/s burst 99999999999999999999"}'),
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


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("POLLERS_PACK_SIZE", "many", "it should be a whole number, such as 100"),
        ("POLLERS_MAX_BODY", "1.5", "it should be a whole number, such as 1048576"),
        ("POLLERS_LEASE", "soon", '"1.5s"'),
        ("POLLERS_REDIS_URL", "redis://host:port/0", "numbers, as in redis://127.0.0.1:6379/0"),
        ("POLLERS_REDIS_URL", "http://host", "begin with redis://, rediss:// or unix://"),
        ("POLLERS_REDIS_URL", "rediss://host/1?ssl_cert_reqs=nonee", "required, optional, none"),
        ("CELERY_BROKER_URL", "redis://:sesame@host/abc", r"'redis://\*\*\*@host/abc'"),
    ],
)
def test_what_would_be_right_is_said(variable: str, value: str, hint: str) -> None:
    """Without the password."""
    with pytest.raises(InvalidSetting, match=f"^{variable}.*{hint}"):
        Settings.read({}, {variable: value})


@pytest.mark.parametrize("value", ["none", "CERT_NONE", "required", "CERT_OPTIONAL"])
def test_certificates_are_asked_for_in_the_words_of_redis_py_and_of_celery(value: str) -> None:
    """Either is taken."""
    url = f"rediss://host/1?ssl_cert_reqs={value}"
    assert Settings.read({}, {"POLLERS_REDIS_URL": url}).redis_url == url


def test_the_first_of_several_brokers_keeps_the_polls() -> None:
    """Celery separates them by semicolons."""
    assert Settings.read({"broker_url": "redis://a/0;redis://b/0"}, {}).redis_url == "redis://a/0"


def test_a_misspelt_name_is_told_with_the_nearest_right_one() -> None:
    """In the configuration as in the environment; what is not ours is left alone."""
    conf = {"pollers_pak_size": 1, "pollers_colour": 2, "pollers_lease": 3, "broker_url": "x", 5: 6}
    environ = ["POLLERS_MAX_BODDY", "POLLERS_LEASE", "POLLERS_SERVICE_HOST", "POLLERS_PORT_80_TCP", "HOME"]
    assert misspelt(conf, environ) == [
        "pollers_pak_size is not a setting of pollers; did you mean pollers_pack_size?",
        "pollers_colour is not a setting of pollers.",
        "POLLERS_MAX_BODDY is not a setting of pollers; did you mean POLLERS_MAX_BODY?",
    ]


def test_misspelt_names_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """In a process, however many applications it has."""
    for name in ("one", "two"):
        app = Celery(name, set_as_current=False)
        app.conf.pollers_leese = 5
        runtime_of(app)
    assert [line for line in caplog.messages if "leese" in line] == [
        "pollers_leese is not a setting of pollers; did you mean pollers_lease?"
    ]


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
