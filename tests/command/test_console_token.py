"""`qilu console token`: printed once, kept as a hash for one user, taken back at once."""

import stat
from pathlib import Path

import yaml

from qilu.web.tokens import FILE_NAME, matching, read_tokens
from tests.system.programs import qilu

GATEWAY = {"edge": "edge-1", "spool": {"directory": "spool"}, "sources": []}
INGESTER = {"store": {"type": "sqlite", "path": "a.db", "name": "a"}}


def settings(folder: Path, content: object) -> Path:
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_a_token_is_printed_once_and_its_hash_kept_beside_the_data(tmp_path: Path) -> None:
    file = settings(tmp_path, GATEWAY)
    printed = qilu("console", "token", "operator", file)
    assert printed.returncode == 0, printed.stderr
    (token,) = printed.stdout.split()
    place = tmp_path / "spool" / FILE_NAME
    kept = matching(read_tokens(place), token)
    assert kept is not None
    assert kept.role == "operator"
    assert token not in printed.stderr + place.read_text()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_the_tokens_of_a_role_are_taken_back_and_those_of_others_stay(tmp_path: Path) -> None:
    file = settings(tmp_path, INGESTER)
    for role in ("viewer", "viewer", "wall"):
        assert qilu("console", "token", role, file).returncode == 0
    back = qilu("console", "token", "viewer", file, "--revoke")
    assert (back.returncode, back.stdout) == (0, "")
    assert "2 tokens" in back.stderr
    assert [token.role for token in read_tokens(tmp_path / FILE_NAME)] == ["wall"]


def test_settings_name_the_file_of_tokens(tmp_path: Path) -> None:
    file = settings(tmp_path, {**GATEWAY, "console": {"tokens": "keys/mine.json"}})
    assert qilu("console", "token", "wall", file).returncode == 0
    assert len(read_tokens(tmp_path / "keys" / "mine.json")) == 1


def test_a_file_without_pages_is_refused(tmp_path: Path) -> None:
    refused = qilu("console", "token", "viewer", settings(tmp_path, {"profile": "a", "points": []}))
    assert refused.returncode == 2
    assert "name the settings" in refused.stderr
