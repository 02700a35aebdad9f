"""Profiles are found beside the settings first, then among those that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from qilu.config.profiles import profile_path, profiles, shipped_configs
from qilu.contract.errors import ConfigError

PRESS = "profile: press\npoints:\n- {name: force, table: input, address: 0, type: uint16}\n"


def test_every_shipped_profile_is_valid() -> None:
    names = sorted(file.stem for file in (shipped_configs() / "profiles").glob("*.yaml"))
    assert list(profiles(names)) == names != []


def test_the_own_folder_wins_and_the_shipped_ones_are_the_rest(tmp_path: Path) -> None:
    shipped = next((shipped_configs() / "profiles").glob("*.yaml")).stem
    assert profile_path(shipped, tmp_path).parent == shipped_configs() / "profiles"
    own = PRESS.replace("press", shipped)
    (tmp_path / f"{shipped}.yaml").write_text(own)
    assert profiles([shipped, shipped], tmp_path)[shipped].points[0].name == "force"


def test_an_unknown_profile_suggests_a_known_one(tmp_path: Path) -> None:
    (tmp_path / "press.yaml").write_text(PRESS)
    with pytest.raises(ConfigError, match=r"there is no profile pres .*did you mean press\?"):
        profiles(["pres"], tmp_path)


def test_a_profile_in_a_file_of_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lathe.yaml").write_text(PRESS)
    with pytest.raises(ConfigError, match=r"lathe.yaml:1: profile: .*name the file press.yaml"):
        profiles(["lathe"], tmp_path)


def test_a_wrong_point_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "press.yaml").write_text(PRESS + "- {name: speed, table: input, address: 0, type: int16}\n")
    with pytest.raises(ConfigError, match=r"press.yaml:4: points.1.address: speed overlaps force"):
        profiles(["press"], tmp_path)
