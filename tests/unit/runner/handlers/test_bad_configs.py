# SPDX-License-Identifier: Apache-2.0
"""What no subtype may stumble over: any text as a configuration, storage that is somebody else's.

Each is refused with an error that tells what to do, and nothing is made or changed by it.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lioshell.errors import HostError, LioshellError, UsageError
from lioshell.runner.handlers import config_string, registry

SUBTYPES = registry.names()
LABELS = ("null", "ram")
"""Their main part is a name that means nothing."""

CONFIGS = [
    "",
    ";",
    ";;",
    "a,b",
    "/srv/a,b.img",
    "x" * 300,
    "/" + "x" * 300,
    "/" + "ä" * 130,
    "/srv/a\nb",
    "/srv/a\0b",
    "\x7f",
    "/srv/\ud800",
    "/srv/a;nosuchoption=1",
    "/srv/a;nosuchflag",
    "relative/path",
    "../../etc/passwd",
    "/",
    "/srv/",
    "//",
    "pool",
    "pool/",
    "pool//image",
    "@/",
    "vol@host",
    "a" * 64 + "/b",
    "nbd://",
    "nbd+unix:///?socket=",
    "http://example.com/a",
    "json:{}",
    "-o/etc/passwd",
    "%s%n",
    "'; rm -rf /; '",
]


def verdict(subtype, config):
    """Return the error that a new device of this configuration gets, None for none."""
    try:
        handler = registry.find(subtype)
        config_string.check_text(config, f"{subtype}/")
        config_string.refuse_secrets(config, handler.options)
        handler.check_config(config)
    except LioshellError as error:
        assert error.message
        assert error.hint, error.message
        return error
    return None


@pytest.mark.parametrize("config", CONFIGS, ids=ascii)
@pytest.mark.parametrize("subtype", SUBTYPES)
def test_any_text_is_understood_or_refused_with_what_to_type(
    subtype, config, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    error = verdict(subtype, config)
    bad = "," in config or len(config.encode(errors="replace")) > 250
    bad |= any(ord(c) < 32 or ord(c) in (127, 0xD800) for c in config)
    # In a path of `file` a ";" is a character like any other, as with tcmu-runner.
    bad |= "nosuch" in config and subtype != "file"
    if bad:
        assert isinstance(error, UsageError), (subtype, config, error)
    elif subtype not in LABELS and config in ("", ";;", "/", "@/", "//"):
        assert error is not None, (subtype, config)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("subtype", SUBTYPES)
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(config=st.one_of(st.text(max_size=40), st.text("/;=@:.,a1\\%", max_size=40)))
def test_any_bytes_are_understood_or_refused(subtype, config):
    verdict(subtype, config)
    config_string.shown(config, registry.find(subtype).options)


@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("text", ["nbd://user:hunter2@host/x", "/srv/a;x=http://u:hunter2@h/"])
def test_passwords_are_never_told(subtype, text):
    error = verdict(subtype, text)
    assert isinstance(error, UsageError)
    assert "hunter2" not in error.message + error.hint
    assert "hunter2" not in registry.shown(f"{subtype}/{text}")


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_options_that_are_secret_are_refused_and_masked(subtype):
    for option in filter(config_string.is_secret, registry.find(subtype).options):
        text = f"main;{option.name}=hunter2"
        with pytest.raises(UsageError) as caught:
            config_string.refuse_secrets(text, (option,))
        assert "hunter2" not in caught.value.message + caught.value.hint
        assert "hunter2" not in registry.shown(f"{subtype}/{text}")


@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("size", [0, 1, 511, 513, 1000])
def test_a_size_that_is_none_is_refused_and_nothing_made(subtype, size, tmp_path):
    handler = registry.find(subtype)
    config = handler.scratch_config(str(tmp_path))
    if config is None:
        return
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(LioshellError) as caught:
        handler.prepare(config, size, 512)
    assert caught.value.hint
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_what_is_missing_is_told_in_words_or_nothing_is(subtype):
    missing = registry.unavailable(subtype)
    if missing is not None:
        assert missing.why
        assert missing.hint
        with pytest.raises(HostError) as caught:
            registry.for_new(subtype, "x")
        assert caught.value.hint == missing.hint
        assert caught.value.exit_code == 6
    if registry.lacking(subtype):
        assert missing is not None
