"""The cache folder is where each platform wants it."""

import sys
from pathlib import Path

import pytest

from minigen.data import cache_folder


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "/home/u/.cache/minigen"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/minigen"),
        ("linux", {"XDG_CACHE_HOME": "", "LOCALAPPDATA": "/l"}, "/home/u/.cache/minigen"),
        ("darwin", {}, "/home/u/Library/Caches/minigen"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/minigen"),
        ("linux", {"MINIGEN_CACHE": "/m", "XDG_CACHE_HOME": "/x"}, "/m"),
        ("linux", {"MINIGEN_CACHE": "~/m"}, "/home/u/m"),
    ],
)
def test_place(monkeypatch, platform, environment, expected):
    for name in ("MINIGEN_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/u", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == Path(expected)
