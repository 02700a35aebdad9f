"""The plant's settings file: what is wrong is told with its place and a remedy."""

from pathlib import Path

import pytest

from qilu.config.profiles import shipped_configs
from qilu.contract.errors import ConfigError
from simulator import app
from simulator.plant.events import Event

GOOD = "- {device: air, machine: screw-air-compressor, port: 5020}"


def refused(folder: Path, *machines: str, head: str = "", file: str = "plant.yaml") -> str:
    """What is said of a plant of these machines; it is about `file`."""
    plant = folder / "plant.yaml"
    plant.write_text("\n".join([head, "machines:", *machines]), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        app.load(plant)
    assert str(error.value).startswith(f"{folder / file}:")
    return str(error.value)


def test_the_shipped_plant_has_at_least_ten_devices_on_several_ports_and_units() -> None:
    plant = app.load(shipped_configs() / "plant.yaml")
    endpoints = plant.endpoints()
    assert len(plant.devices) >= 10
    assert len(endpoints) >= 4
    assert min(endpoints) >= 5020
    assert max(len(units) for units in endpoints.values()) >= 2


PLANTS = ("plant", "quiet-day", "bad-day", "hostile-network", "school", "thousand")


@pytest.mark.parametrize("name", PLANTS)
def test_every_shipped_plant_says_what_it_is_for_and_runs_for_ten_minutes(name: str) -> None:
    file = shipped_configs() / f"{name}.yaml"
    assert file.read_text().startswith("# ")
    plant = app.load(file, step=5.0)
    plant.advance(120)
    assert plant.seconds == 600


def test_no_shipped_plant_is_forgotten_here() -> None:
    files = shipped_configs().glob("*.yaml")
    assert set(PLANTS) == {file.stem for file in files if "\nmachines:" in file.read_text()}


def test_on_the_bad_day_five_faults_come_and_on_the_quiet_day_none() -> None:
    happened: dict[str, list[str]] = {}
    for name in ("bad-day", "quiet-day"):
        plant = app.load(shipped_configs() / f"{name}.yaml", step=10.0)
        events: list[Event] = []
        plant.listen(events.append)
        plant.advance(360)
        happened[name] = [event.event for event in events if event.event.startswith("fault") and event.after]
    assert len(happened["bad-day"]) == 5
    assert happened["quiet-day"] == []


def test_the_thousand_are_a_thousand() -> None:
    assert len(app.load(shipped_configs() / "thousand.yaml").devices) == 1000


def test_an_unknown_machine_is_wanted_with_what_exists_and_what_was_meant(tmp_path: Path) -> None:
    message = refused(tmp_path, GOOD, "- {device: x, machine: screw-air-compresor, port: 5021}")
    assert ":4: machines.1.machine" in message
    assert "did you mean screw-air-compressor?" in message
    assert "cnc-machining-centre" in message


def test_two_devices_of_one_name_are_refused(tmp_path: Path) -> None:
    assert "a second device 'air'" in refused(tmp_path, GOOD, GOOD.replace("5020", "5021"))


def test_two_devices_on_one_port_and_unit_are_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, GOOD, GOOD.replace("air,", "air2,"))
    assert "'air2' and 'air' are both unit 1 on port 5020" in message


def test_replicas_that_run_into_another_device_are_refused(tmp_path: Path) -> None:
    row = "- {device: row, machine: screw-air-compressor, port: 5019, replicas: 3, units_per_port: 1}"
    assert "both unit 1 on port 5020" in refused(tmp_path, GOOD, row)


def test_replicas_that_run_past_the_last_port_are_refused(tmp_path: Path) -> None:
    row = "- {device: row, machine: screw-air-compressor, port: 65535, replicas: 3, units_per_port: 1}"
    assert "would be on port 65536" in refused(tmp_path, row)


def test_what_feeds_nothing_that_exists_is_refused(tmp_path: Path) -> None:
    message = refused(
        tmp_path,
        GOOD.replace("}", ", feeds: [millling]}"),
        GOOD.replace("air,", "b, unit_id: 2, line: milling,"),
    )
    assert "no device and no line 'millling'" in message
    assert "did you mean milling?" in message


@pytest.mark.parametrize(
    ("machine", "wanted"),
    [
        (
            "centrifugal-pump",
            "machines.1.feeds: centrifugal-pump supplies nothing; leave it out; what supplies",
        ),
        (
            "steam-boiler",
            "machines.1.feeds.0: nothing in 'mill' takes steam; leave it out; what takes it is: tyre",
        ),
        (
            "chiller",
            "nothing in 'mill' takes cooling; leave it out; what takes it is: injection-moulding-machine",
        ),
    ],
)
def test_a_machine_that_cannot_supply_what_it_feeds_is_refused(
    tmp_path: Path, machine: str, wanted: str
) -> None:
    cnc = "- {device: cnc, machine: cnc-machining-centre, port: 5020, line: mill}"
    supplier = f"- {{device: m, machine: {machine}, port: 5021, feeds: [mill]}}"
    message = refused(tmp_path, cnc, supplier)
    assert ":4: " in message
    assert wanted in message


def test_a_supplier_may_feed_a_line_in_which_one_machine_takes_what_it_has(tmp_path: Path) -> None:
    robot = "- {device: robot, machine: robot-cell, port: 5020, line: packing}"
    moulding = "- {device: moulding, machine: injection-moulding-machine, port: 5021, line: packing}"
    chiller = "- {device: chiller, machine: chiller, port: 5022, feeds: [packing]}"
    (tmp_path / "plant.yaml").write_text(f"machines:\n{robot}\n{moulding}\n{chiller}")
    assert len(app.load(tmp_path / "plant.yaml").devices) == 3


def test_a_parameter_that_the_machine_does_not_have_is_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, GOOD.replace("}", ", parameters: {rated_pover: 5}}"))
    assert "machines.0.parameters.rated_pover" in message
    assert "did you mean rated_power?" in message


@pytest.mark.parametrize(
    ("machine", "parameters", "wanted"),
    [
        ("screw-air-compressor", "rated_power: 0", "rated_power: 0 is not possible; give a number from 5.5"),
        ("screw-air-compressor", "capacity: -3", "capacity: -3 is not possible"),
        ("screw-air-compressor", "capacity: .nan", "capacity: nan is not possible"),
        ("screw-air-compressor", "capacity: .inf", "capacity: inf is not possible"),
        ("screw-air-compressor", "load_pressure: 40", "load_pressure: 40 is not possible"),
        (
            "screw-air-compressor",
            "unload_pressure: 6",
            "unload_pressure: unload_pressure is 6 and load_pressure 6.8; give a unload_pressure above",
        ),
        ("screw-air-compressor", "load_pressure: 8", "load_pressure: unload_pressure is 7.6 and"),
        ("centrifugal-pump", "efficiency: 1.2", "efficiency: 1.2 is not possible"),
        ("chiller", "hours_between_stops: 0", "such as 80"),
        ("pv-inverter", "soiling: 1", "a number from 0 to 0.9"),
        ("injection-moulding-machine", "clamp_force: 4000", "a number from 160 to 3000"),
        ("tyre-curing-press", "squeeze_force: 9000", "a number from 152 to 3000"),
        ("injection-moulding-machine", "barrel_temperature: 700", "a number from 180 to 300"),
        (
            "three-phase-energy-meter",
            "ct_ratio: 0",
            "ct_ratio: 0 is not possible; give a number, such as 100",
        ),
    ],
)
def test_a_parameter_that_no_machine_can_have_is_refused(
    tmp_path: Path, machine: str, parameters: str, wanted: str
) -> None:
    line = f"- {{device: m, machine: {machine}, port: 5021, parameters: {{{parameters}}}}}"
    message = refused(tmp_path, GOOD, line)
    assert ":4: machines.1.parameters." in message
    assert wanted in message


@pytest.mark.parametrize(
    ("head", "key"),
    [
        ("step: 11s", "step"),
        ("step: 0", "step"),
        ("speed: -1", "speed"),
        ("speed: .nan", "speed"),
        ("voltage_dips: [{start: 1s, duration: 1s, depth: .nan}]", "voltage_dips.0.depth"),
        ("seeed: 1", "seeed"),
        ("shifts: [{start: '25:00', end: '08:00'}]", "shifts.0.start"),
        ("shifts: [{start: 8, end: '08:00'}]", "shifts.0.start"),
    ],
)
def test_impossible_values_are_refused_with_their_key(tmp_path: Path, head: str, key: str) -> None:
    assert key in refused(tmp_path, GOOD, head=head)


def test_a_port_without_the_rights_for_it_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plant.yaml"
    file.write_text(f"machines:\n{GOOD.replace('5020', '502')}\n")
    with pytest.raises(
        ConfigError, match="plant.yaml:2: .*port 502 needs the rights of root; choose one from 1024 on"
    ):
        app.load(file, lowest_port=1024)


def test_a_step_longer_than_the_cycle_of_a_machine_is_refused_as_parts_would_be_lost(tmp_path: Path) -> None:
    robot = "- {device: robot, machine: robot-cell, port: 5020, parameters: {cycle_factor: 0.5}}"
    message = refused(tmp_path, robot, head="step: 10s")
    assert ":1: step: 10 s is longer than the cycle of robot, 5." in message
    assert "give a shorter step" in message
    (tmp_path / "plant.yaml").write_text(f"machines:\n{robot}")
    with pytest.raises(ConfigError, match="step: 10 s is longer than the cycle of robot"):
        app.load(tmp_path / "plant.yaml", step=10.0)


def test_a_host_that_is_left_empty_does_not_open_the_plant_to_the_network(tmp_path: Path) -> None:
    assert ":1: host: is empty; give 127.0.0.1" in refused(tmp_path, GOOD, head='host: ""')


@pytest.mark.parametrize(
    ("buffers", "wanted"),
    [
        (
            "[{after: [aire], capacity: 3}]",
            "buffers.0.after.0: no device and no line 'aire'; did you mean air?",
        ),
        ("[{after: [air], capacity: 3, filled: 4}]", "4 parts do not fit into 3 places"),
        (
            "[{after: [air], capacity: 3}, {after: [air], capacity: 3}]",
            "air already stands before another buffer",
        ),
        (
            "[{after: [air], capacity: 3}]",
            "buffers.0.after.0: nothing in 'air' handles parts; leave it out; what does: cnc-machining",
        ),
        ("[{before: [air], capacity: 3}]", "buffers.0.before.0: nothing in 'air' handles parts"),
        (
            "[{capacity: 3}]",
            "buffers.0: no machine fills it and none empties it; name the machines",
        ),
    ],
)
def test_a_buffer_that_cannot_be_is_refused(tmp_path: Path, buffers: str, wanted: str) -> None:
    assert wanted in refused(tmp_path, GOOD, head=f"buffers: {buffers}")


PROFILE = """\
profile: screw-air-compressor
points:
  - {name: serve_counter, table: holding, address: 0, type: uint32, kind: counter}
  - {name: power, table: holding, address: 2, type: float32}
"""


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (
            "serve_counter",
            "count_of_serves",
            "points.count_of_serves: a screw-air-compressor knows nothing of it",
        ),
        ("power", "powr", "points.powr: a screw-air-compressor knows nothing of it; did you mean power?"),
        ("float32", "bcd32", "points.power: the simulator cannot serve bcd32"),
        ("float32", "float64, word_order: big_swapped", "cannot serve word_order: big_swapped"),
    ],
)
def test_a_profile_beside_the_plant_that_does_not_fit_its_machine_is_refused(
    tmp_path: Path, old: str, new: str, wanted: str
) -> None:
    (tmp_path / "profiles").mkdir()
    own = tmp_path / "profiles" / "screw-air-compressor.yaml"
    own.write_text(PROFILE)
    (tmp_path / "plant.yaml").write_text(f"machines:\n{GOOD}\n")
    assert app.load(tmp_path / "plant.yaml").devices["air"].profile.point("power").address == 2
    own.write_text(PROFILE.replace(old, new))
    assert wanted in refused(tmp_path, GOOD, file="profiles/screw-air-compressor.yaml")


def test_a_port_of_control_that_is_a_machine_s_is_refused(tmp_path: Path) -> None:
    assert "control: port 5020 is that of air" in refused(tmp_path, GOOD, head="control: 5020")


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        ("{device: air, fault: air_leak, start: yesterday}", "faults.0.start: 'yesterday' is not a duration"),
        ("{device: air, fault: air_leak, start: -5s}", "is not a duration"),
        ("{device: air, fault: air_leak, start: 5s, duration: 0s}", "faults.0.duration"),
        ("{device: air, fault: air_leek, start: 5s}", "did you mean air_leak?"),
        ("{device: air, fault: drift, point: presure, magnitude: 1, start: 5s}", "no point presure"),
        ("{device: sir, fault: air_leak, start: 5s}", "did you mean air?"),
        ("{device: air, fault: air_leak, start: 5s, severity: 2}", "faults.0.severity"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(tmp_path: Path, fault: str, wanted: str) -> None:
    assert wanted in refused(tmp_path, GOOD, head=f"faults:\n- {fault}")


def test_all_wrong_parameters_of_a_plant_are_named_at_once(tmp_path: Path) -> None:
    machines = [
        f"- {{device: m{port}, machine: screw-air-compressor, port: {port}, parameters: {{nonsense: 1}}}}"
        for port in (5020, 5021)
    ]
    lines = refused(tmp_path, *machines).splitlines()
    assert [line.split(": ")[0].rpartition(":")[2] for line in lines] == ["3", "4"]
    assert all("has no parameter nonsense" in line for line in lines)
