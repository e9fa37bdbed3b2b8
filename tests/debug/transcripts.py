"""Types what a page shows as typed, and puts there what is printed."""

import re
import subprocess
import sys

BLOCK = re.compile(r"```transcript\n(.*?)\n```", re.DOTALL)
TYPED = re.compile(r"^(\$|\(emu\)) (.*)$", re.MULTILINE)
ROOT = __file__.rpartition("/tests/")[0]


def replayed(page, directory):
    """The page with all its transcripts made anew, in a directory where `guests` is found.

    `$ emu debug ...` begins a session, which all `(emu)` lines up to the next `$` belong to. What
    goes to standard error is shown first.
    """
    (directory / "guests").symlink_to(f"{ROOT}/guests")
    typed = [match.groups() for block in BLOCK.findall(page) for match in TYPED.finditer(block)]
    answers = iter(_answers(typed, directory))

    def again(match):
        lines = [f"{prompt} {text}\n{next(answers)}" for prompt, text in TYPED.findall(match[1])]
        return f"```transcript\n{''.join(lines)}```"

    return BLOCK.sub(again, page)


def _answers(typed, directory):
    status = 0
    for number, (prompt, text) in enumerate(typed):
        if prompt == "$" and text == "echo $?":
            yield f"{status}\n"
        elif prompt == "$" and text.startswith("emu debug "):
            session = []
            for other, command in typed[number + 1 :]:
                if other == "$":
                    break
                session.append(command)
            yield ""
            yield from _session(text.split()[2:], session, directory)
        elif prompt == "$":
            words = text.split()
            line = [sys.executable, "-m", *words] if words[0] == "emu" else words
            done = _run(line, directory)
            status = done.returncode
            yield done.stderr + done.stdout


def _session(arguments, commands, directory):
    line = [sys.executable, "-m", "emu", "debug", *arguments, "--batch"]
    for number, command in enumerate(commands):
        line += ["--ex", command, "--ex", f"echo ({number} was that)"]
    done = _run(line, directory)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    rest = done.stdout
    for number in range(len(commands)):
        answer, rest = rest.split(f"({number} was that)\n", 1)
        yield answer


def _run(line, directory):
    return subprocess.run(
        line, cwd=directory, env={"PYTHONPATH": ROOT, "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
