"""Every command in the head of a shipped file runs, against a running plant where it needs one."""

import re
import shlex
from contextlib import ExitStack
from pathlib import Path

import pytest

from qilu.config.profiles import shipped_configs
from tests.servers import free_port
from tests.system.programs import Qilu, qilu

FILES = sorted(path.name for path in shipped_configs().glob("*.yaml"))
SHORT = "1m"
"""A span of simulated time instead of hours."""


def commands(text: str) -> list[list[str]]:
    """The words of each command behind `qilu`: in backquotes, or alone in a line before its meaning."""
    quoted = re.findall(r"`qilu ([^`]+)`", re.sub(r"\n# *", " ", text))
    alone = re.findall(r"^#   qilu (\S+(?: \S+)*)", text, re.MULTILINE)
    return [shlex.split(line) for line in (*alone, *quoted)]


def on_free_ports(text: str) -> str:
    """The same plant on ports that nobody uses."""
    ports = {port: str(free_port()) for port in re.findall(r"\b(?:port|control): (\d+)", text)}
    return re.sub(r"\b(port|control): (\d+)", lambda match: f"{match[1]}: {ports[match[2]]}", text)


def test_the_files_have_commands() -> None:
    texts = {name: (shipped_configs() / name).read_text(encoding="utf-8") for name in FILES}
    assert {name for name, text in texts.items() if commands(text)} >= {"school.yaml", "bad-day.yaml"}
    assert len(commands(texts["school.yaml"])) >= 6


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_command_in_the_head_runs(name: str, tmp_path: Path) -> None:
    text = (shipped_configs() / name).read_text(encoding="utf-8")
    file = tmp_path / name
    with ExitStack() as running:
        if any(words[:2] == ["simulate", f"configs/{name}"] for words in commands(text)):
            file.write_text(on_free_ports(text), encoding="utf-8")
            running.enter_context(Qilu(tmp_path, "simulate", file, ready="devices are served"))
        else:
            file = shipped_configs() / name
        for words in commands(text):
            if words[0] == "simulate":
                continue
            paths = {f"configs/{name}": str(file), "FILE": str(file)}
            arguments = [paths.get(word, word) for word in words]
            if "--span" in arguments:
                arguments[arguments.index("--span") + 1] = SHORT
            arguments = [str(tmp_path / word) if word.startswith("var/") else word for word in arguments]
            done = qilu(*arguments)
            assert done.returncode == 0, (words, done.stdout, done.stderr)
