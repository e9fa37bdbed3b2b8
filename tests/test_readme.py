"""Every command that the README or a page shows with its output prints that output."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from processes import PATIENCE_S

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


def shown_commands(text):
    """Pairs (command, output) of the blocks marked `console`: a command begins with `$ `."""
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def run(command):
    """What a user sees, standard error included; `emu` is this interpreter's."""
    script = f'emu() {{ "{sys.executable}" -m emu "$@"; }}\n{command}'
    return subprocess.run(
        ["bash", "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=PATIENCE_S, check=False,
    ).stdout  # fmt: skip


PAGES = (README, ROOT / "docs" / "explorer.md")
SHOWN = [shown for page in PAGES for shown in shown_commands(page.read_text())]


def test_the_readme_opens_with_the_demo_and_the_tests():
    blocks = re.findall(r"(?:^    .*\n)+", README.read_text(), re.MULTILINE)
    assert [line.split()[:2] for line in blocks[0].splitlines()] == [
        ["make", "demo"],
        ["make", "test"],
    ]


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_a_command_prints_what_is_shown(command, output):
    assert run(command) == output


EXAMPLES = [
    code
    for page in (README, ROOT / "docs" / "hypervisor.md")
    for code in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize("code", EXAMPLES, ids=["README", "hypervisor"])
def test_the_python_of_the_readme_and_the_pages_runs(code):
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=PATIENCE_S, check=True)


def test_every_file_that_the_readme_names_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", README.read_text())
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_every_make_target_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^    )make ([a-z]+)", README.read_text(), re.MULTILINE))
    assert named <= targets
