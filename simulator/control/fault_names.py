"""Plain names of faults, and what to expect of them, in Chinese and English; pure tables.

The effects of machine faults are those of the table in docs/simulator.md; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from qilu.contract.profile.point import Label


class MachineFaultName(NamedTuple):
    """The name of a fault, and the points that rise and fall by it."""

    label: Label
    rises: tuple[str, ...] = ()
    falls: tuple[str, ...] = ()


def _machine(zh: str, en: str, rises: str = "", falls: str = "") -> MachineFaultName:
    return MachineFaultName(Label(zh=zh, en=en), tuple(rises.split()), tuple(falls.split()))


MACHINE_FAULTS: Mapping[str, Mapping[str, MachineFaultName]] = {
    "centrifugal-pump": {
        "bearing_wear": _machine("轴承磨损", "bearing wear", "vibration bearing_temperature_de shaft_power"),
        "impeller_wear": _machine("叶轮磨损", "impeller wear", "speed"),
        "suction_clogged": _machine(
            "吸入口堵塞", "suction clogged", "vibration", "suction_pressure npsh_margin"
        ),
    },
    "chiller": {
        "condenser_fouling": _machine(
            "冷凝器结垢",
            "condenser fouling",
            "condensing_temperature discharge_pressure compressor_power",
            "cop",
        ),
        "refrigerant_leak": _machine(
            "制冷剂泄漏",
            "refrigerant leak",
            "slide_valve compressor_power",
            "evaporating_temperature suction_pressure cop",
        ),
    },
    "cnc-machining-centre": {
        "bearing_wear": _machine(
            "主轴轴承磨损", "spindle bearing wear", "spindle_vibration bearing_temperature"
        ),
        "coolant_leak": _machine("切削液泄漏", "coolant leak", "", "coolant_level"),
        "tool_wear": _machine(
            "刀具磨损", "tool wear", "spindle_load spindle_vibration size_error reject_count"
        ),
    },
    "conveyor-packaging-line": {
        "heater_failure": _machine(
            "封口加热失效", "sealing heater failure", "heater_output", "seal_temperature_front pack_count"
        ),
        "belt_drag": _machine("皮带卡滞", "belt drag", "drive_power drive_current"),
    },
    "injection-moulding-machine": {
        "heater_failure": _machine(
            "料筒加热失效", "barrel heater failure", "heater_output", "barrel_zone_3 shot_count"
        ),
        "check_valve_leak": _machine("止逆环泄漏", "check valve leak", "reject_count", "part_weight"),
    },
    "pv-inverter": {
        "soiling": _machine("组件积灰", "soiled modules", "", "direct_power power"),
        "string_failure": _machine("组串断路", "string failure", "", "string_3_current power"),
    },
    "ring-spinning-frame": {
        "spindle_drag": _machine("锭子阻力增大", "spindle drag", "power motor_load motor_temperature"),
        "dirty_rings": _machine("钢领积垢", "dirty rings", "end_breaks broken_ends"),
        "suction_clogged": _machine("吸棉管堵塞", "suction clogged", "", "suction_pressure"),
    },
    "robot-cell": {
        "gear_wear": _machine("减速机磨损", "gear wear", "joint_2_torque motor_2_temperature power"),
        "vacuum_leak": _machine("吸盘漏气", "gripper vacuum leak", "retry_count", "gripper_vacuum"),
    },
    "screw-air-compressor": {
        "air_leak": _machine("管网漏气", "air leak", "air_demand load_hours energy"),
        "cooler_fouling": _machine("冷却器结垢", "cooler fouling", "oil_temperature discharge_temperature"),
        "filter_clogged": _machine("空滤堵塞", "air filter clogged", "air_filter_pressure_drop load_hours"),
    },
    "steam-boiler": {
        "scale": _machine("水侧结垢", "scale", "flue_temperature gas_volume", "efficiency"),
        "air_leak_in_flue": _machine(
            "烟道漏风", "air leak in the flue", "flue_oxygen gas_volume", "efficiency"
        ),
    },
    "three-phase-energy-meter": {
        "phase_loss": _machine("缺相", "phase loss", "current_n", "voltage_b current_b")
    },
    "tyre-curing-press": {
        "bladder_leak": _machine("胶囊泄漏", "bladder leak", "", "bladder_pressure last_equivalent_cure"),
        "steam_trap_blocked": _machine(
            "疏水阀堵塞",
            "steam trap blocked",
            "scrap_count",
            "platen_temperature mould_temperature last_equivalent_cure",
        ),
    },
}
"""Model -> fault -> its name and effects."""


class FaultText(NamedTuple):
    label: Label
    expect: Label


def _text(zh: str, en: str, expect_zh: str, expect_en: str) -> FaultText:
    return FaultText(Label(zh=zh, en=en), Label(zh=expect_zh, en=expect_en))


SENSOR_FAULTS: Mapping[str, FaultText] = {
    "drift": _text(
        "传感器漂移", "sensor drift", "示值慢慢偏离真值", "the reading slowly leaves the true value"
    ),
    "freeze": _text("传感器冻结", "sensor frozen", "示值不再变化", "the reading no longer changes"),
    "spike": _text(
        "传感器尖峰", "sensor spikes", "偶尔出现孤立的异常值", "single readings far off, now and then"
    ),
    "drop_out": _text("传感器断线", "sensor drop-out", "读数变为无效值", "the reading becomes invalid"),
    "stuck_bit": _text(
        "寄存器位卡死", "stuck bit", "读数在两段之间跳变", "the reading jumps between two ranges"
    ),
    "reboot": _text(
        "控制器重启",
        "controller reboot",
        "设备短时离线，设定值恢复出厂",
        "the device is offline for a while and has its first set-points again",
    ),
}
