"""The rows of the dashboard about machines: what they use, what they make, how they are."""

from __future__ import annotations

from deploy.grafana.panel_factory import PanelFactory
from deploy.grafana.panels import Row, Text, bars


def energy(factory: PanelFactory) -> Row:
    """Electricity: taken, made, and its quality."""
    meter = "three-phase-energy-meter"
    return Row(
        Text("用能", "Energy"),
        (
            factory.lines(meter, "power", width=12),
            bars(
                Text("时段用电量", "Energy taken in the time shown"),
                factory.about(meter, "energy_import"),
                "kwatth",
                [factory.language.growth(meter, "energy_import")],
            ).but(width=6, every=20),
            bars(
                Text("时段发电量", "Energy made in the time shown"),
                factory.about("pv-inverter", "energy"),
                "kwatth",
                [factory.language.growth("pv-inverter", "energy")],
            ).but(width=6, every=20),
            factory.lines(
                meter, "voltage_a", "voltage_b", "voltage_c", title=Text("相电压", "Phase voltages")
            ),
            factory.lines(
                meter, "current_a", "current_b", "current_c", title=Text("相电流", "Phase currents")
            ),
            factory.lines(meter, "power_factor", width=4),
            factory.lines("pv-inverter", "power", width=4, title=Text("光伏功率", "Solar power")),
        ),
    )


def utilities(factory: PanelFactory) -> Row:
    """What the lines live on: air, steam, cold water."""
    return Row(
        Text("公用工程", "Utilities"),
        (
            factory.lines("screw-air-compressor", "discharge_pressure", width=6),
            factory.lines(
                "screw-air-compressor",
                "discharge_temperature",
                "oil_temperature",
                width=6,
                title=Text("空压机温度", "Compressor temperatures"),
            ),
            factory.lines(
                "screw-air-compressor", "power", width=6, title=Text("空压机功率", "Compressor power")
            ),
            factory.lines(
                "screw-air-compressor",
                "air_delivered",
                "air_demand",
                width=6,
                title=Text("供气与用气", "Air delivered and wanted"),
            ),
            factory.lines("steam-boiler", "steam_pressure", width=6),
            factory.lines("steam-boiler", "water_level", width=6),
            factory.lines(
                "chiller",
                "supply_temperature",
                "return_temperature",
                width=6,
                title=Text("冷冻水供回水温度", "Chilled water supply and return"),
            ),
            factory.lines(
                "centrifugal-pump",
                "discharge_pressure",
                width=6,
                title=Text("水泵出口压力", "Pump discharge pressure"),
            ),
        ),
    )


def machining(factory: PanelFactory) -> Row:
    """Machine tools."""
    machine = "cnc-machining-centre"
    return Row(
        Text("机加工", "Machining"),
        (
            factory.lines(machine, "spindle_load"),
            factory.lines(machine, "spindle_speed"),
            factory.lines(
                machine,
                "winding_temperature",
                "bearing_temperature",
                "coolant_temperature",
                title=Text("机床温度", "Machine tool temperatures"),
            ),
            factory.lines(machine, "spindle_vibration"),
            factory.lines(machine, "tool_wear"),
            bars(
                Text("时段加工件数", "Parts made in the time shown"),
                factory.about(machine, "part_count"),
                "none",
                [factory.language.growth(machine, "part_count")],
            ),
        ),
    )


def production(factory: PanelFactory) -> Row:
    """Moulding, curing, spinning, packing."""
    return Row(
        Text("生产", "Production"),
        (
            factory.lines("injection-moulding-machine", "injection_pressure", width=6),
            factory.lines("injection-moulding-machine", "mould_temperature", width=6),
            factory.lines("tyre-curing-press", "bladder_pressure", width=6),
            factory.lines(
                "tyre-curing-press",
                "platen_temperature",
                "tyre_temperature",
                width=6,
                title=Text("硫化温度", "Curing temperatures"),
            ),
            factory.lines(
                "ring-spinning-frame", "spindle_speed", width=6, title=Text("锭速", "Spinning speed")
            ),
            factory.lines("ring-spinning-frame", "broken_ends", width=6),
            factory.lines("conveyor-packaging-line", "rate", width=6),
            factory.lines("robot-cell", "cycle_time", width=6, title=Text("机器人节拍", "Robot cycle time")),
        ),
    )
