"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil

import pytest


def find_oracle(command: str) -> str:
    """Path of an oracle command; skips where it is absent, fails where oracles are required."""
    path = shutil.which(command)
    if path is None:
        message = f"{command} is not installed (Debian packages: see the README, section Tests)"
        if os.environ.get("EMU_REQUIRE_ORACLES"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def oracle():
    """`oracle("powerpc64-linux-gnu-as")` is the path of that command."""
    return find_oracle
