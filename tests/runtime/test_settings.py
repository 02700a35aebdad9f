"""A settings file becomes its model, or one clear line per problem: file, line, key, problem, remedy."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from qilu.config import yaml_loader
from qilu.config.profiles import shipped_configs
from qilu.config.settings_file import load, load_text, load_with_line_index, read_secret
from qilu.config.yaml_loader import parse
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.units import Period


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Device(Model):
    device: str
    unit: int = Field(ge=0, le=255)


class Bus(Model):
    type: Literal["bus"]
    timeout: Period = 1.0
    devices: tuple[Device, ...] = Field(min_length=1)


class Replay(Model):
    type: Literal["replay"]
    file: Path


class Link(Model):
    host: str = "localhost"
    keepalive: Period | Literal["never"] = "never"
    password_file: Path | None = None
    tls: dict[str, Path] = {}


class Edge(Model):
    edge: str
    link: Link = Link()
    on: bool = False
    sources: tuple[Annotated[Bus | Replay, Field(discriminator="type")], ...] = ()


def lines(text: str) -> list[str]:
    """What a user is told about `text`, line by line."""
    with pytest.raises(ConfigError) as caught:
        load_text(text, Edge, file="edge.yaml")
    return str(caught.value).splitlines()


WRONG = sorted((Path(__file__).parent / "wrong_settings").glob("*.yaml"))


@pytest.mark.parametrize("case", WRONG, ids=[case.stem for case in WRONG])
def test_a_problem_is_reported_as_the_first_line_of_the_case_has_it(case: Path) -> None:
    text = case.read_text()
    assert lines(text) == [text.splitlines()[0].removeprefix("# ")]


def test_all_problems_are_reported_in_the_order_of_the_file() -> None:
    text = "edge: a\nsources:\n- type: bus\n  timeout: soon\n  devices:\n  - {device: 1, unit: x}\nlinc: 3"
    keys = [line.split(": ")[0:2] for line in lines(text)]
    assert keys == [
        ["edge.yaml:4", "sources.0.timeout"],
        ["edge.yaml:6", "sources.0.devices.0.device"],
        ["edge.yaml:6", "sources.0.devices.0.unit"],
        ["edge.yaml:7", "linc"],
    ]


def test_a_value_of_several_kinds_is_reported_by_its_own_key() -> None:
    reported = lines("edge: a\nlink: {keepalive: -2s}\n")
    assert [line.partition(" is not ")[0] for line in reported] == ["edge.yaml:2: link.keepalive: '-2s'"]


def test_a_secret_written_into_the_file_is_not_repeated_in_the_message() -> None:
    assert "hunter2" not in "".join(lines("edge: a\nlink: {password: hunter2}"))


def test_plain_words_are_what_people_mean() -> None:
    raw, _ = parse(
        "{a: off, b: yes, c: 1:30, d: 010, e: 0x10, f: 1e3, g: 2025-01-01, h: ~, i: '5', j: .5}", "f"
    )
    assert raw == {
        "a": "off", "b": "yes", "c": "1:30", "d": 10, "e": 16, "f": 1000.0, "g": "2025-01-01", "h": None,
        "i": "5", "j": 0.5,
    }  # fmt: skip


def test_a_mapping_can_take_in_another_and_change_it() -> None:
    raw, places = parse("base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\n", "f")
    assert raw["own"] == {"x": 1, "y": 3}
    assert places.line(("own", "y")) == 4


def test_relative_paths_are_below_the_folder_of_the_file(tmp_path: Path) -> None:
    link = "link: {password_file: secret, tls: {ca: /etc/ca.pem}}"
    (tmp_path / "edge.yaml").write_text(f"edge: a\n{link}\nsources: [{{type: replay, file: ../r}}]\n")
    edge = load(tmp_path / "edge.yaml", Edge)
    assert edge.link == Link(password_file=tmp_path / "secret", tls={"ca": Path("/etc/ca.pem")})
    assert edge.sources == (Replay(type="replay", file=tmp_path / "../r"),)


def test_errors_that_come_to_light_later_can_name_their_line_too(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text("edge: a\nlink:\n  host: b\n")
    _, places = load_with_line_index(file, Edge)
    assert str(places.error("no such host", ("link", "host"), "correct it")).endswith(
        "edge.yaml:3: link.host: no such host; correct it"
    )
    assert places.error("is missing", ("link", "port")).line == 2


class TestFiles:
    def test_a_missing_file_suggests_its_neighbour(self, tmp_path: Path) -> None:
        (tmp_path / "gateway.yaml").write_text("edge: a")
        with pytest.raises(ConfigError, match=r"gatway.yaml: no such file; did you mean .*/gateway.yaml\?"):
            load(tmp_path / "gatway.yaml", Edge)

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read: is a directory"):
            load(tmp_path, Edge)

    def test_another_encoding_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "edge.yaml").write_bytes("edge: 济南".encode("gbk"))
        with pytest.raises(ConfigError, match="not a text in UTF-8"):
            load(tmp_path / "edge.yaml", Edge)

    def test_the_mark_that_some_editors_put_first_is_no_harm(self, tmp_path: Path) -> None:
        (tmp_path / "edge.yaml").write_bytes("edge: 济南".encode("utf-8-sig"))
        assert load(tmp_path / "edge.yaml", Edge).edge == "济南"

    def test_an_endless_file_and_a_huge_one_are_refused_before_they_are_understood(
        self, tmp_path: Path
    ) -> None:
        with (tmp_path / "huge.yaml").open("w") as file:
            file.truncate(100_000_000)
        for path in (Path("/dev/zero"), tmp_path / "huge.yaml"):
            if path.exists():
                with pytest.raises(ConfigError, match=f"{path}: longer than 1,000,000 characters; "):
                    load(path, Edge)


class TestBombs:
    def test_aliases_that_stand_for_a_thousand_million_values_are_refused(self) -> None:
        layers = [f"k{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
        reported = lines("\n".join(["k0: &a0 [x]", *layers]))
        assert len(reported) == 1
        assert reported[0].endswith("more than 100000 values; repeat less with aliases (*name)")

    @pytest.mark.parametrize(
        "text", ["[" * 20_000 + "]" * 20_000, "{a: " * 5_000 + "1" + "}" * 5_000, "- " * 20_000]
    )
    def test_brackets_inside_brackets_without_end_are_refused(self, text: str) -> None:
        assert lines(f"edge:\n  {text}") == ["edge.yaml: nested too deeply; close the brackets"]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("edge: " + "x" * 3_000_000, "longer than 1,000,000 characters; name a settings file, or split"),
            ("edge: 0x" + "f" * 5_000, "a number of 5002 characters; 64 are enough for any"),
            ("\n".join(f"{n}: 1" for n in range(101_000)), "more than 100000 values; split this file"),
            (
                "{" + ", ".join(f"{n}:1" for n in range(101_000)) + "}",
                "more than 100000 values; split this file",
            ),
            ("\n".join(f"k{n}: &a{n} 1" for n in range(2_000)), "more than 1000 anchors (&name)"),
            ("a: &a 1\nb: [" + ", ".join(["*a"] * 50_000) + "]", "more than 10000 aliases (*name)"),
        ],
        ids=["text", "digits", "keys", "keys in one line", "anchors", "aliases"],
    )
    def test_what_would_take_long_is_refused_before_it_is_read(self, text: str, problem: str) -> None:
        refused = lines(text)
        assert len(refused) == 1
        assert problem in refused[0]

    def test_the_limits_leave_room_for_thousands_of_devices(self) -> None:
        device = "- {device: press-%d, profile: press, url: 'tcp://10.0.0.1:502', unit: 1, line: line-1}"
        text = "\n".join(device % number for number in range(5_000))
        value, _ = parse(f"devices:\n{text}", "edge.yaml")
        assert len(value["devices"]) == 5_000

    def test_the_loader_in_c_and_the_loader_in_python_read_the_same(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        texts = [file.read_text(encoding="utf-8") for file in sorted(shipped_configs().rglob("*.yaml"))]
        in_c = [parse(text, "f") for text in texts]
        monkeypatch.setattr(yaml_loader, "_LibyamlLoader", yaml_loader._Loader)
        assert [parse(text, "f") for text in texts] == in_c

    def test_a_number_without_end_is_not_repeated_in_full(self) -> None:
        reported = lines("edge: " + "9" * 100_000)
        assert len(reported) == 1
        assert len(reported[0]) < 200


class TestSecrets:
    def test_a_file_gives_its_line_without_the_end(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("pass word \n")
        assert read_secret(tmp_path / "secret", None, key="link.password_file") == "pass word "

    def test_the_environment_gives_it_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("QILU_TEST_SECRET", "word")
        assert read_secret(None, "QILU_TEST_SECRET", key="link.password_env") == "word"

    def test_naming_none_is_no_secret(self) -> None:
        assert read_secret(None, None, key="link") is None

    def test_a_secret_that_is_not_there_is_reported_with_its_key(self, tmp_path: Path) -> None:
        (tmp_path / "empty").write_text("\n")
        for file in (tmp_path / "none", tmp_path / "empty"):  # may be put there at any moment
            with pytest.raises(UnreachableError, match=r"link\.password"):
                read_secret(file, None, key="link.password")
        with pytest.raises(ConfigError, match=r"link\.password"):
            read_secret(None, "QILU_UNSET", key="link.password")


@given(st.text(max_size=60) | st.text("{}[]:,-&*!|>'\"#%@`? \n\tab1<", max_size=40))
def test_garbage_is_a_value_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        load_text(text, Edge)
