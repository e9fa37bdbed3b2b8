"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

from emu.fuzz import pytest_plugin
from emu.fuzz.strategies import BACKEND

os.environ["COLUMNS"] = "80"  # of help texts, whatever terminal this runs on

# A machine may be as slow as it likes.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("new", PATIENT)
# The same examples in every run, in whatever order the tests are: without BACKEND, they would
# depend on the modules that other tests have imported.
settings.register_profile("same", PATIENT, derandomize=True, database=None, backend=BACKEND)
settings.load_profile("same")


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


def pytest_configure(config):
    """Use the project's own plugin, also where it is not installed and so has no entry point."""
    if not config.pluginmanager.has_plugin("emu"):
        config.pluginmanager.register(pytest_plugin, "emu")
