"""The transcript in docs/debugger.md is what the debugger prints."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def steady(text):
    """Leave out what changes whenever the hypervisor's source does."""
    return re.sub(r"\.py:\d+", ".py:N", re.sub(r"@\d+|\b\d+ guest instr", "N", text))


def test_the_transcript_is_what_the_debugger_prints():
    page = (ROOT / "docs/debugger.md").read_text()
    transcript = re.search(r"```transcript\n(.*?)\n```", page, re.DOTALL)[1]
    commands = re.findall(r"^\(emu\) (.*)$", transcript, re.MULTILINE)
    assert len(commands) > 8
    arguments = [
        sys.executable,
        "-m",
        "emu",
        "debug",
        "guests/token_ring.s",
        "--smt",
        "2",
        "--batch",
    ]
    for command in commands:
        arguments += ["--ex", f"echo (emu) {command}", "--ex", command]
    done = subprocess.run(
        arguments, capture_output=True, text=True, timeout=60, cwd=ROOT, check=True
    )
    assert steady(done.stdout).rstrip() == steady(transcript)
