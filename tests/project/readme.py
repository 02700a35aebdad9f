"""The commands of a README: every line of its fenced blocks with the info string `sh`, made to end by itself.

A block for people to look at (output) is fenced as `console` or `text` and is not run. A `yaml` block below a
line that names a file, "`gateway.yaml`:", is that file.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

SECONDS = "3"
"""How long a command runs here that would else run until Ctrl-C, or for as long as the README says."""

RUN_ON = ("simulate", "gateway", "ingest")
"""Subcommands that others on the page talk to: they run beside what follows."""

ELSEWHERE = {
    "git": "the network is not asked for what is here already",
    "docker": "a test starts no containers",
    "sudo": "a test does not change this machine",
    "apt-get": "a test does not change this machine",
}
MADE = {"demo", "help"}
"""What make runs here; of its other targets only their existence is looked at: they are tests themselves."""


@dataclass(frozen=True)
class Command:
    """One line of a README and what a shell is given for it: nothing where `why_not` says so."""

    line: str
    run: str = ""
    beside: bool = False
    why_not: str = ""


def commands(readme: Path) -> list[Command]:
    """Every command of a README, in order."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)
    lines = re.sub(r"\\\n\s*", "", "".join(blocks)).splitlines()
    return [command(line) for line in lines if line.strip() and not line.lstrip().startswith("#")]


def files(readme: Path) -> dict[str, str]:
    """Every file that a README has its reader write: name -> text."""
    found = re.findall(r"^`(\S+)`[:：]\n\n```yaml\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)
    return dict(found)


def command(line: str) -> Command:
    """A line of a shell, without its comment; with a `&` at its end it runs beside what follows."""
    bare = re.sub(r"\s+#\s.*$", "", line).strip()
    beside = bare.endswith("&")
    bare = bare.removesuffix("&").strip()
    bare = re.sub(r"^cd \S+(\s*&&\s*|$)", "", bare)  # to the checkout, where the test is already
    bare = bare.replace(".venv/bin/", "")
    words = bare.split()
    if not words:
        return Command(line, why_not="nothing that runs")
    if words[0] in ELSEWHERE:
        return Command(line, why_not=ELSEWHERE[words[0]])
    if words[0] == "make":
        return Command(line, _make(bare))
    beside |= words[0] == "qilu" and words[1] in RUN_ON and "--duration" not in words
    return Command(line, _bounded(bare) if words[:2] == ["qilu", "demo"] else bare, beside)


def _make(bare: str) -> str:
    targets = [word for word in shlex.split(bare)[1:] if "=" not in word]
    if not set(targets) <= MADE:
        return bare.replace("make", "make -n", 1)
    if "demo" in targets:
        bare = _bounded(bare) if "ARGS=" in bare else f'{bare} ARGS="--duration {SECONDS}"'
    up_to_date = (".venv/.installed-run", ".venv/.installed-dev", ".servers/.fetched")
    return " ".join([bare, *(f"-o {file}" for file in up_to_date)])


def _bounded(bare: str) -> str:
    if "--duration" in bare:
        return re.sub(r"--duration[ =]\S+?(?=[\s\"']|$)", f"--duration {SECONDS}", bare)
    if "ARGS=" in bare:
        return re.sub(r"(ARGS=[\"']?)", rf"\1--duration {SECONDS} ", bare)
    return f"{bare} --duration {SECONDS}"
