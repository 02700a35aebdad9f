"""`qilu plant`: a data set or gateway settings of a plant, and the control of a plant that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from qilu_cli.command_line.shared_options import PlantFile
from qilu_cli.runner import run, run_sync

app = typer.Typer(
    help="Export a simulated plant, or control one that runs on this machine: its faults and its time."
)

RunningPlant = Annotated[
    str, typer.Argument(help="The control port of a running plant, or the plant's file.")
]
Device = Annotated[str, typer.Argument(help="The device; for a network fault also a port, or * for all.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the reply as JSON.")]


@app.command()
def export(
    file: PlantFile,
    folder: Annotated[Path, typer.Argument(help="The new folder of the data set.")],
    span: Annotated[str, typer.Option(help="Length of the data set, such as 12h or 30d.")] = "1d",
    every: Annotated[str, typer.Option(help="Interval between rows.")] = "1s",
    step: Annotated[
        str | None, typer.Option(help="Interval between ticks; default: that of the plant, at least 1s.")
    ] = None,
    take: Annotated[
        Literal["last", "mean", "min", "max"],
        typer.Option(
            help="What a row has of a gauge: its last value, or that of all ticks since the last row."
        ),
    ] = "last",
    form: Annotated[
        Literal["csv", "parquet"],
        typer.Option("--format", help="Format of the files; parquet needs pyarrow."),
    ] = "csv",
) -> None:
    """Write the values of a plant as a data set, without sockets and as fast as it goes.

    Example: qilu plant export configs/bad-day.yaml var/bad-day --span 4h
    """
    from qilu_cli.commands import export as command

    options = command.ExportOptions(folder, span, every, step, form, take)
    run(lambda: command.export_to(file, options), "warning", False)


@app.command()
def export_fleet(
    preset: Annotated[str, typer.Argument(help="pump-bearing or compressor-cooler.")],
    folder: Annotated[Path, typer.Argument(help="The new folder of the data set.")],
    seed: Annotated[int, typer.Option(help="Another seed gives other units and faults.")] = 0,
) -> None:
    """Write data for learning: a fleet of one model with random faults, and labels apart.

    Example: qilu plant export-fleet pump-bearing var/fleet
    """
    from qilu_cli.commands import export_fleet as command

    run(lambda: command.export_fleet(preset, folder, seed), "warning", False)


@app.command()
def gateway_config(
    file: PlantFile, out: Annotated[Path, typer.Argument(help="The new file of gateway settings.")]
) -> None:
    """Write gateway settings that collect exactly this plant.

    Example: qilu plant gateway-config configs/plant.yaml gateway-of-plant.yaml
    """
    from qilu_cli.commands import gateway_config as command

    run_sync(lambda: command.write_gateway_config(file, out))


@app.command()
def status(
    plant: RunningPlant,
    device: Annotated[
        str | None, typer.Argument(help="Only this device, and the faults it may have.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the time of a running plant and its faults.

    Example: qilu plant status configs/bad-day.yaml pump-1
    """
    _faults("GET", plant, device, None, as_json)


@app.command()
def inject(
    plant: RunningPlant,
    device: Device,
    fault: Annotated[str, typer.Argument(help="The fault; `qilu plant status PLANT DEVICE` lists them.")],
    parameters: Annotated[
        list[str] | None,
        typer.Argument(help="Parameters of a network fault (docs/faults.md).", metavar="KEY=VALUE"),
    ] = None,
    start_in: Annotated[str | None, typer.Option(help="Time until the fault starts, such as 30s.")] = None,
    ramp: Annotated[str | None, typer.Option(help="Time from the start to full severity.")] = None,
    duration: Annotated[
        str | None, typer.Option(help="Time from the start to the repair; default: no repair.")
    ] = None,
    severity: Annotated[float | None, typer.Option(help="Severity at the end of the ramp, up to 1.")] = None,
    point: Annotated[str | None, typer.Option(help="The point whose sensor is faulty.")] = None,
    magnitude: Annotated[
        float | None, typer.Option(help="Magnitude of a drift or a spike; the number of a bit.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Inject a fault of a machine, a sensor or the network into a running plant.

    Example: qilu plant inject configs/bad-day.yaml pump-1 bearing_wear --ramp 10m
    """
    from qilu_cli.commands import plant_control as command

    injection = command.Injection(
        device, fault, tuple(parameters or ()), start_in, ramp, duration, severity, point, magnitude
    )
    run(lambda: command.inject(plant, injection, as_json=as_json), "warning", False)


@app.command()
def repair(
    plant: RunningPlant,
    device: Device,
    fault: Annotated[str | None, typer.Argument(help="The fault; default: all of the device.")] = None,
    as_json: AsJson = False,
) -> None:
    """Remove the faults of a device, or one of them.

    Example: qilu plant repair configs/bad-day.yaml pump-1 bearing_wear
    """
    _faults("DELETE", plant, device, fault, as_json)


@app.command()
def pause(plant: RunningPlant, as_json: AsJson = False) -> None:
    """Stop the time of a running plant; its servers keep replying.

    Example: qilu plant pause configs/bad-day.yaml
    """
    _clock(plant, as_json, paused=True)


@app.command()
def resume(plant: RunningPlant, as_json: AsJson = False) -> None:
    """Let the time of a paused plant go on.

    Example: qilu plant resume configs/bad-day.yaml
    """
    _clock(plant, as_json, paused=False)


@app.command()
def step(
    plant: RunningPlant,
    ticks: Annotated[int, typer.Argument(help="How many ticks.", min=1)] = 1,
    as_json: AsJson = False,
) -> None:
    """Advance a paused plant by some ticks.

    Example: qilu plant step configs/bad-day.yaml 30
    """
    _clock(plant, as_json, step=ticks)


@app.command()
def speed(
    plant: RunningPlant,
    factor: Annotated[float, typer.Argument(help="Simulated seconds per second, such as 60.")],
    as_json: AsJson = False,
) -> None:
    """Set how fast the time of a running plant passes.

    Example: qilu plant speed configs/bad-day.yaml 60
    """
    _clock(plant, as_json, speed=factor)


def _clock(plant: str, as_json: bool, **change: Any) -> None:
    from qilu_cli.commands import plant_control as command

    run(lambda: command.send(plant, "POST", "factory/clock", change, as_json=as_json), "warning", False)


def _faults(method: str, plant: str, device: str | None, fault: str | None, as_json: bool) -> None:
    from qilu_cli.commands import plant_control as command

    path = command.faults_path(device, fault)
    run(lambda: command.send(plant, method, path, as_json=as_json), "warning", False)
