"""The completion that `qilu --show-completion bash` prints works in a bash."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BASH = shutil.which("bash")
PROGRAMS = Path(sys.executable).parent
COMPLETE = """
source completion.bash
COMP_WORDS=({words} '{last}') COMP_CWORD={index}
_qilu_completion qilu
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def bash(script: str, folder: Path) -> str:
    assert BASH is not None
    path = os.pathsep.join((str(PROGRAMS), os.environ["PATH"]))
    done = subprocess.run(
        [BASH, "--norc", "-c", script],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env={**os.environ, "PATH": path},
    )
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the script, as a user makes it from the shell."""
    made = tmp_path_factory.mktemp("completion")
    script = bash("_QILU_COMPLETE=source_bash qilu", made)
    (made / "completion.bash").write_text(script)
    return made


@pytest.mark.skipif(BASH is None, reason="needs a bash")
@pytest.mark.parametrize(
    ("line", "completions"),
    [
        ("qilu pr", {"probe", "profile"}),
        ("qilu spool re", {"replay", "resend", "requeue"}),
        ("qilu plant inject p.yaml pump-1 frozen --s", {"--start-in", "--severity"}),
        ("qilu query --format ", {"table", "csv", "json"}),
    ],
)
def test_commands_options_and_choices_are_completed(line: str, completions: set[str], folder: Path) -> None:
    *words, last = line.split(" ")
    script = COMPLETE.format(words=" ".join(words), index=len(words), last=last)
    assert set(bash(script, folder).split()) == completions


@pytest.mark.skipif(BASH is None, reason="needs a bash")
def test_files_are_left_to_the_completion_of_bash(folder: Path) -> None:
    script = COMPLETE.format(words="qilu gateway", index=2, last="conf")
    assert bash(script, folder).split() == []
    assert "-o default" in bash("source completion.bash; complete -p qilu", folder)


@pytest.mark.skipif(BASH is None, reason="needs a bash")
def test_installed_completion_is_there_in_the_next_bash(folder: Path) -> None:
    at_home = f"export HOME={folder}; "
    bash(f"{at_home} qilu --install-completion; true", folder)
    assert "_qilu_completion" in bash(f"{at_home} source ~/.bashrc; complete -p qilu", folder)
