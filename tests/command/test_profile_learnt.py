"""What a device taught is taken over into its profile, whose other lines and comments stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.commissioning.profiles.merge_learned import apply_learned
from gateway.sources.modbus.learning.store import LearnedLimitsFile
from gateway.sources.modbus.planning.plan import LearnedLimits
from qilu.config.settings_file import load
from qilu.contract.errors import ConfigError
from qilu.contract.profile import AddressRange, DeviceProfile, Table
from qilu.contract.reading import Reason
from qilu_cli.main import app

PLAIN = """\
# A meter as it was described by hand.
profile: meter
source: "a manual"

# Every point is worth a comment.
points:
  - {name: power, table: holding, address: 0, type: float32, unit: kW}  # the main one
  # nobody has ever seen this one
  - name: ghost
    table: holding
    address: 4
    type: uint16
  - {name: cells, table: input, address: 0, type: uint16, count: 3}
"""

LIMITED = PLAIN.replace(
    "\n# Every",
    """limits:
  message_spacing: 20ms   # measured
  max_registers: 30
  unreadable: [{table: holding, first: 40, last: 49}]

# Every""",
)

TAUGHT = LearnedLimits(
    refused_points={"ghost": Reason.ILLEGAL_ADDRESS},
    unreadable=(
        AddressRange(table=Table.HOLDING, first=4, last=4),
        AddressRange(table=Table.HOLDING, first=2, last=3),
    ),
    max_block={Table.HOLDING: 16, Table.INPUT: 40},
)


def files(tmp_path: Path, text: str, learnt: LearnedLimits) -> tuple[Path, Path]:
    profile, taught = tmp_path / "meter.yaml", tmp_path / "meter-1.yaml"
    profile.write_text(text, encoding="utf-8")
    taught.write_text(
        LearnedLimitsFile.of("meter-1", load(profile, DeviceProfile), learnt).text(), encoding="utf-8"
    )
    return profile, taught


def test_a_profile_without_limits_gets_them_before_its_points(tmp_path: Path) -> None:
    text = apply_learned(*files(tmp_path, PLAIN, TAUGHT))
    begin = PLAIN.index("points:")
    assert text == (
        PLAIN[:begin]
        + "limits:  # as meter-1 taught the gateway\n"
        + "  max_registers: 16\n"
        + "  unreadable:\n"
        + "    - {table: holding, first: 2, last: 3}\n"
        + PLAIN[begin:].replace("  - name: ghost", "  # meter-1 refuses this point\n  - name: ghost")
    )


def test_limits_that_are_there_are_kept_or_narrowed(tmp_path: Path) -> None:
    profile, taught = files(tmp_path, LIMITED, TAUGHT)
    (tmp_path / "new.yaml").write_text(apply_learned(profile, taught), encoding="utf-8")
    limits = load(tmp_path / "new.yaml", DeviceProfile).limits
    assert (limits.message_spacing, limits.max_registers) == (0.02, 16)
    assert [(gap.first, gap.last) for gap in limits.unreadable] == [(40, 49), (2, 3)]
    assert "# Every point is worth a comment." in (tmp_path / "new.yaml").read_text("utf-8")


def test_a_refused_point_of_an_array_is_named_above_the_limits(tmp_path: Path) -> None:
    profile, taught = files(tmp_path, PLAIN, LearnedLimits())
    name = load(profile, DeviceProfile).points[-1].name
    profile, taught = files(tmp_path, PLAIN, LearnedLimits(refused_points={name: Reason.ILLEGAL_ADDRESS}))
    assert f"# meter-1 refuses {name}.\npoints:" in apply_learned(profile, taught)


def test_a_profile_in_modicons_notation_gets_gaps_in_it(tmp_path: Path) -> None:
    modicon = """\
profile: meter
addressing: modicon
points:
  - {name: power, address: 40001, type: float32}
  - {name: energy, address: 40021, type: float32}
  - {name: open, address: "00001", type: bool}
"""
    gaps = LearnedLimits(
        unreadable=(
            AddressRange(table=Table.HOLDING, first=2, last=19),
            AddressRange(table=Table.COIL, first=1, last=7),
        )
    )
    profile, taught = files(tmp_path, modicon, gaps)
    (tmp_path / "new.yaml").write_text(apply_learned(profile, taught), encoding="utf-8")
    assert load(tmp_path / "new.yaml", DeviceProfile).limits.unreadable == gaps.unreadable


def test_a_profile_of_repeated_structures_alone_gets_limits_too(tmp_path: Path) -> None:
    strings = """\
profile: meter
structures:
  - count: 3
    stride: 10
    points:
      - {name: volts, table: input, address: 0, type: uint16}
"""
    profile, taught = files(
        tmp_path,
        strings,
        LearnedLimits(refused_points={"volts_2": Reason.ILLEGAL_ADDRESS}, max_block={Table.INPUT: 8}),
    )
    assert apply_learned(profile, taught) == strings.replace(
        "structures:",
        "# meter-1 refuses volts_2.\n"
        "limits:  # as meter-1 taught the gateway\n  max_registers: 8\nstructures:",
    )


def test_a_short_limit_of_one_table_leaves_the_points_of_the_other_readable(tmp_path: Path) -> None:
    profile, taught = files(tmp_path, PLAIN, LearnedLimits(max_block={Table.INPUT: 1}))
    assert "max_registers: 2\n" in apply_learned(profile, taught), "`power` takes two"


def test_what_was_taught_about_another_profile_is_refused(tmp_path: Path) -> None:
    profile, taught = files(tmp_path, PLAIN, TAUGHT)
    profile.write_text(PLAIN.replace("address: 4", "address: 5"), encoding="utf-8")
    with pytest.raises(ConfigError, match="another state of the profile meter"):
        apply_learned(profile, taught)


def test_the_command_prints_the_profile_or_writes_it(tmp_path: Path) -> None:
    profile, taught = files(tmp_path, PLAIN, TAUGHT)
    printed = CliRunner().invoke(app, ["profile", "apply-learned", str(taught), str(profile)])
    assert printed.exit_code == 0
    assert profile.read_text("utf-8") == PLAIN
    reported = CliRunner().invoke(
        app, ["profile", "apply-learned", str(taught), str(profile), "--out", str(profile)]
    )
    assert reported.exit_code == 0
    assert profile.read_text("utf-8") == printed.output
