"""The live table of `qilu demo` fits into the terminal that it gets."""

import io

import pytest

from qilu.config.profiles import profiles
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Reason
from qilu_cli.commands.demo.latest_values import LatestReading, LatestValues
from qilu_cli.commands.demo.table import Flow, Plant, picture
from qilu_cli.terminal import PlainConsole

FLOW = Flow(3600.0, 26.4, 1234567, 12, 3, 65432, 160.0, 341.0)
PROFILE: DeviceProfile = profiles(["screw-air-compressor"])["screw-air-compressor"]


def shown(
    width: int, height: int, *, devices: int = 22, bad: int | None = None, stopping: bool = False
) -> str:
    """The picture of a plant whose device number `bad` is refused."""
    watch = LatestValues()
    names = [f"compressor-{number}" for number in range(devices)]
    for number, name in enumerate(names):
        reason = Reason.TIMEOUT if number == bad else None
        watch.latest[name] = LatestReading(1000, {"discharge_pressure": 7.25, "state": 2}, reason)
    plant = Plant(dict.fromkeys(names, PROFILE), watch, lambda: 1500, lambda: FLOW, lambda: stopping)
    console = PlainConsole(file=io.StringIO(), width=width, height=height)
    with console.capture() as printed:
        console.print(picture(plant, width, height))
    return printed.get()


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("height", [6, 24, 26, 40])
def test_the_line_about_the_flow_is_never_cut_off(width: int, height: int) -> None:
    text = shown(width, height)
    assert len(text.splitlines()) <= height
    assert "3 records in the spool, 65432 durable" in text.replace("\n", " ").replace("  ", " ")
    assert "Ctrl-C" in text


def test_devices_that_do_not_fit_are_counted() -> None:
    assert "more" not in shown(140, 26)
    cut = shown(140, 24)
    assert cut.count("compressor-") == 20
    assert "and 2 more" in cut


def test_a_device_in_trouble_is_shown_before_others() -> None:
    text = shown(80, 12, bad=21)
    assert "compressor-21" in text
    assert "compressor-0 " in text
    assert "timeout" in text


def test_the_end_is_announced() -> None:
    assert "stopping" in shown(100, 30, stopping=True)
