"""`qilu profile`: lists of points as people keep them become profiles, or are refused cell by cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.commissioning.profiles.import_list import import_points
from gateway.commissioning.profiles.point_list import read_list
from qilu.config.settings_file import load
from qilu.contract.errors import ConfigError
from qilu.contract.profile import DeviceProfile
from tests.servers import free_port
from tests.system.programs import qilu


def imported(folder: Path, text: str | bytes, addressing: str = "auto") -> DeviceProfile:
    file = folder / "points.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    made, _ = import_points(file, "press", folder, addressing, force=True)  # type: ignore[arg-type]
    return load(made, DeviceProfile)


def test_a_plain_list_becomes_a_profile_that_check_accepts(tmp_path: Path) -> None:
    profile = imported(
        tmp_path,
        "name,table,address,type,scale,offset,unit,min,max,access,group,kind,enum,sentinels,word_order\n"
        "force,holding,0,int16,0.1,-40,kN,-50,800,R,fast,gauge,,0x8000,\n"
        "strokes,holding,0x0A,uint32,,,,,,R,slow,counter,,,CDAB\n"
        'state,input,3,uint16,,,,,,R,fast,,"0=off; 1=idle; 2=running",,\n'
        "run,coil,7,bool,,,,,,RW,fast,,,,\n",
    )
    force, strokes, state, run = profile.points
    assert (force.table, force.address, force.type, force.scale, force.offset) == (
        "holding",
        0,
        "int16",
        0.1,
        -40,
    )
    assert (force.unit, force.limits.min, force.limits.max, force.sentinels) == ("kN", -50, 800, (0x8000,))
    assert (strokes.address, strokes.word_order, strokes.kind, strokes.group) == (
        10,
        "little",
        "counter",
        "slow",
    )
    assert {code: str(label) for code, label in state.enum.items()} == {0: "off", 1: "idle", 2: "running"}
    assert (run.table, run.access) == ("coil", "read_write")
    assert list(profile.groups) == ["fast", "slow"]
    ended = qilu("check", tmp_path / "press.yaml")
    assert (ended.returncode, "4 points" in ended.stdout) == (0, True), ended.stderr


def test_the_headings_and_words_of_other_programs_are_understood(tmp_path: Path) -> None:
    profile = imported(
        tmp_path,
        "Tag Name;Register;Data Type;Word Order;Multiplier;Eng. Unit\n"
        "OutletPressure;40001;FLOAT;swap;1;bar\n"
        "Oil Temp;40003;INT;;0,1;°C\n"
        "Oil Temp;40004;DWORD;no;1;h\n"
        "Alarm;10001;;;;\n",
    )
    assert [point.name for point in profile.points] == ["outlet_pressure", "oil_temp", "oil_temp_2", "alarm"]
    assert [(p.table, p.address, p.type) for p in profile.points] == [
        ("holding", 0, "float32"), ("holding", 2, "int16"), ("holding", 3, "uint32"), ("discrete", 0, "bool"),
    ]  # fmt: skip
    assert profile.points[0].word_order == "little"
    assert profile.points[1].scale == 0.1
    assert str(profile.points[1].label) == "Oil Temp"
    assert "addressing: modicon" in (tmp_path / "press.yaml").read_text()


def test_what_stands_in_a_cell_besides_the_word_or_number_is_heeded(tmp_path: Path) -> None:
    profile = imported(
        tmp_path,
        "name,table,address,type,scale,R/W\n"
        "volts,holding,0,FLOAT (CDAB),x1,R\n"
        "amps,holding,2,int16,10^-2,RW\n"
        "total,holding,3,uint16,0.1 m3,Read/Write\n"
        "start,holding,4,uint16,1 / 10,W\n",
    )
    assert [point.scale for point in profile.points] == [1, 0.01, 0.1, 0.1]
    assert [point.access for point in profile.points] == ["read", "read_write", "read_write", "write"]
    assert (profile.points[0].byte_order, profile.points[0].word_order) == ("big", "little")


@pytest.mark.parametrize("scale", ["1:10", "1*0.1", "1.234.5", "0x10", "0.1-0.5"])
def test_a_number_is_never_read_in_part(tmp_path: Path, scale: str) -> None:
    with pytest.raises(ConfigError, match=r"column E \(scale\): .* is no number"):
        imported(tmp_path, f"name,table,address,type,scale\na,input,1,u16,{scale}\n")


def test_a_chinese_sheet_in_its_own_encoding_is_read(tmp_path: Path) -> None:
    text = (
        "名称,功能码,寄存器地址,数据类型,倍率,单位,读写\n"
        "排气压力,03,0100H,无符号16位,0.01,MPa,只读\n"
        "主机温度,4,10,浮点,1,℃,只读\n"
    )
    profile = imported(tmp_path, text.encode("gb18030"))
    assert [(p.name, p.table, p.address, p.type) for p in profile.points] == [
        ("holding_0100h", "holding", 256, "uint16"), ("input_10", "input", 10, "float32"),
    ]  # fmt: skip
    assert profile.points[0].label.zh == "排气压力"


def test_coils_in_modicons_notation_keep_their_leading_zeros(tmp_path: Path) -> None:
    profile = imported(tmp_path, "name,address,type\nrun,00001,bool\nstop,000002,bool\n")
    assert [(p.table, p.address) for p in profile.points] == [("coil", 0), ("coil", 1)]


def test_a_list_that_counts_from_one_is_moved(tmp_path: Path) -> None:
    profile = imported(tmp_path, "name,table,address,type\na,input,1,u16\n", "one_based")
    assert profile.points[0].address == 0


def test_high_addresses_without_the_notation_stay_what_they_are() -> None:
    """40001 in a list with an address that cannot be Modicon's is holding register 40001."""
    listed = read_list("name,table,address,type\na,holding,40001,u16\nb,holding,7,u16\n")
    assert [point.keys["address"] for point in listed.points] == [40001, 7]


def test_a_column_of_hexadecimal_addresses_is_never_modicons() -> None:
    listed = read_list("name,table,address (hex),type\na,input,0001,u16\nb,input,4001,u16\n")
    assert [point.keys["address"] for point in listed.points] == [1, 0x4001]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name,table,address,type\na,holding,x1,u16\n",
            r"points.csv:2: column C \(address\): 'x1' is no address",
        ),
        ("name,table,address,type\na,tank,1,u16\n", r"points.csv:2: column B \(table\): 'tank' is no table"),
        ("name,table,address,type\na,input,1,blob\n", r"points.csv:2: column D \(type\): 'blob' is no type"),
        ("name,address,type\na,7,u16\n", r"points.csv:2: column B \(address\): '7' does not say its table"),
        ("name,table,address,type,scale\na,input,1,u16,ten\n", r"column E \(scale\): 'ten' is no number"),
        (
            "name,table,address\na,input,1\n",
            r"column C \(address\): the point at 1 has no type",
        ),
        (
            "name,address,type\na,40001,u16\nb,xx,u16\n",
            r"^\S*points.csv:3: column B \(address\): 'xx' [^\n]*$",
        ),
        (
            "name,table,address,type\na,holding,40001,u16\nb,holding,0x10,u16\n",
            r"points.csv:3: column C \(address\): 0x10 counts from 0, and 40001 may be in Modicon's notation",
        ),
        ('name,table,address,type,scale\na,input,1,u16,"1,000"\n', "thousands or a decimal comma"),
        ("name,table,type\na,input,u16\n", "points.csv:1: no column is an address"),
        ("name,address\n", "there are headings and no points"),
        ("", "the list is empty"),
        ("name,address,type,enum\na,40001,u16,off\n", r"column D \(enum\): 'off' is no code with its text"),
        ("name,table,address,type\na,input,1,u32\nb,input,2,u16\n", r"points.csv:3: address: b overlaps a"),
        (
            "name,address,type\na,30001,bool\n",
            "points.csv:2: type: a bool in a register needs the number of its bit",
        ),
    ],
)
def test_what_is_wrong_is_reported_with_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        imported(tmp_path, text)
    assert not (tmp_path / "press.yaml").exists()


@pytest.mark.parametrize(
    ("columns", "cells", "problem"),
    [
        (
            "function,address,type,length",
            "3,0,uint16,2",
            r"column D \(length\): the length of a uint16 is 1, not 2",
        ),
        (
            "function,address,type,length",
            "3,0,float32,1",
            r"column D \(length\): the length of a float32 is 2, not 1",
        ),
        ("function,address,type,length", "3,0,bool,two", r"column D \(length\): 'two' is no whole number"),
        (
            "function,table,address,type",
            "3,input,0,int16",
            r"column A \(function\): function 3 is for table holding",
        ),
        ("function,address,type", "99,0,int16", r"column A \(function\): '99' is no table"),
        ("function,address,type", "3/99,0,int16", r"column A \(function\): 99 is no function"),
        (
            "function,address,type,rw",
            "3/6,0,int16,R",
            r"function 3/6 means read_write, and the access is read",
        ),
        ("function,address,type,scale", "1,0,bool,0.1", r"column D \(scale\): a bool has no scale"),
        ("function,address,type,bias", "1,0,bool,4", r"column D \(bias\): a bool has no offset"),
        ("function,address,type,bit", "3,0,bool,4-7", r"column D \(bit\): '4-7' is no number of a bit"),
        ("function,address,type,bit", "3,0,uint16,x", r"column D \(bit\): 'x' are no bits"),
        (
            "function,address,type,group",
            "3,0,int16,快",
            r"column D \(group\): '快' makes no name of a poll group",
        ),
        ("function,address,type,order", "3,0,REAL (CDAB),ABCD", r"'ABCD' and 'REAL \(CDAB\)' contradict"),
    ],
)
def test_a_cell_that_cannot_be_used_is_refused(
    tmp_path: Path, columns: str, cells: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=rf"points.csv:2: .*{problem}"):
        imported(tmp_path, f"{columns}\n{cells}\n")


def test_bits_of_an_integer_are_its_value(tmp_path: Path) -> None:
    rows = "a,3,32,uint16,4-7\nb,3,33,uint16,5\nc,3,34,INT,bit 3\nd,3,35,bool,2\ne,3,36,INT,0..3\n"
    points = imported(tmp_path, f"name,function,address,type,bit\n{rows}").points
    assert [(str(point.type), point.bits, point.bit) for point in points] == [
        ("uint16", (4, 7), None), ("uint16", (5, 5), None), ("uint16", (3, 3), None), ("bool", None, 2),
        ("int16", (0, 3), None),
    ]  # fmt: skip


def test_functions_that_write_make_a_point_writable(tmp_path: Path) -> None:
    profile = imported(
        tmp_path, "name,function,address,type\na,03/06/16,0,int16\nb,FC03,1,int16\nc,0x10,2,int16\nd,1/5,3,\n"
    )
    assert [(point.table.value, point.access) for point in profile.points] == [
        ("holding", "read_write"), ("holding", "read"), ("holding", "write"), ("coil", "read_write"),
    ]  # fmt: skip


def test_the_length_makes_a_plain_word_a_longer_type(tmp_path: Path) -> None:
    rows = "a,3,0,INT,2\nb,3,2,float,4\nc,3,6,BCD,2\nd,3,8,WORD,1\ne,3,9,uint32,2\n"
    profile = imported(tmp_path, f"name,function,address,type,length\n{rows}")
    assert [str(point.type) for point in profile.points] == ["int32", "float64", "bcd32", "uint16", "uint32"]


def test_whatever_of_a_list_is_not_used_is_named(tmp_path: Path) -> None:
    profile = imported(
        tmp_path,
        "name,function,address,type,scale,description,vendor,description\n"
        "# of 2024,,,,,,,\n"
        "Öl-1,3,0,INT (signed),0.1 bar,Oil,x,y\n"
        "p2,3,1,INT,0.1 bar,,x,,beside\n"
        "é x,3,2,INT,1,,,\n",
    )
    head = (tmp_path / "press.yaml").read_text()
    assert "# Columns that are ignored: vendor, description." in head
    assert "# a line that begins with # (line 2) is ignored." in head
    assert "# 'bar' in column E (scale) (line 3, 4) is ignored." in head
    assert "# 'signed' in column D (type) (line 3) is ignored." in head
    assert "# 'beside' in column I, which has no heading (line 4) is ignored." in head
    assert profile.points[0].label.en == "Oil"
    assert profile.points[0].label.zh == "Öl-1"
    _, listed = import_points(tmp_path / "points.csv", "press", tmp_path, "auto", force=True)
    assert len(listed.unused) == 4


def test_everything_that_is_wrong_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        imported(tmp_path, "name,table,address,type\na,x,1,u16\nb,input,y,u16\nc,input,3,u16\nd,input,4,z\n")
    assert [line.split(": ")[0][-1] for line in str(caught.value).splitlines()] == ["2", "3", "5"]


def test_a_file_that_is_there_is_overwritten_by_force_only(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("name,address,type\na,40001,u16\n")
    command = ("profile", "import", "points.csv", "--name", "press")
    assert qilu(*command, folder=tmp_path).returncode == 0
    again = qilu(*command, folder=tmp_path)
    assert (again.returncode, "add --force" in again.stderr) == (2, True)
    assert qilu(*command, "--force", folder=tmp_path).returncode == 0


def test_a_profile_has_the_name_of_its_list_where_none_is_given(tmp_path: Path) -> None:
    (tmp_path / "Press Line 2.csv").write_text("name,address,type\na,40001,u16\n")
    assert qilu("profile", "import", "Press Line 2.csv", folder=tmp_path).returncode == 0
    assert load(tmp_path / "press-line-2.yaml", DeviceProfile).profile == "press-line-2"
    (tmp_path / "点表.csv").write_text("name,address,type\na,40001,u16\n")
    ended = qilu("profile", "import", "点表.csv", folder=tmp_path)
    assert (ended.returncode, "'点表' makes no name for a profile" in ended.stderr) == (2, True)


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("name,address,type\na,40001,u16\n")
    ended = qilu("profile", "import", "points.csv", "--name", "Press Line", folder=tmp_path)
    assert (ended.returncode, "press-line" in ended.stderr) == (2, True)


def test_a_device_that_is_not_there_gives_no_profile(tmp_path: Path) -> None:
    arguments = ("--from-probe", f"127.0.0.1:{free_port()}", "--read", "holding:0-9", "--name", "press")
    ended = qilu("profile", "new", *arguments, folder=tmp_path)
    assert ended.returncode == 1
    assert list(tmp_path.iterdir()) == []
