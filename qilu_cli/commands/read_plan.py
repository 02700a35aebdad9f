"""The requests that a gateway's settings cost the devices: per poll group, per endpoint, in all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.table import Table

from gateway.settings import GatewaySettings
from gateway.sources.modbus.learning.bisection import describe
from gateway.sources.modbus.learning.store import LEARNED_FOLDER, LearnedLimitsStore
from gateway.sources.modbus.planning.plan import NOTHING_LEARNED, BusLoad, ReadPlan, plans
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin
from qilu.contract.units import format_bytes, format_duration
from qilu.modbus_client.serial_port import missing

ROUND_TRIP_S = 0.01
"""Seconds that a device is assumed to take for an answer; the real ones differ widely."""

CORE_REQUESTS_PER_S, CORE_POINTS_PER_S = 8_000, 400_000
"""What fills one core with the spool on disk: 4,000 polls of two requests and 100 values a second.

Measured by `make bench` on the machine of docs/benchmarks.md.
"""

_LONG_TIMEOUT_S = 60.0
"""From here on a timeout is likely a number of milliseconds without its unit."""

_COLUMNS = ("device", "unit", "group", "every", "requests", "registers", "wasted", "reads")

Profiles = Mapping[str, DeviceProfile]


class EndpointPlan(NamedTuple):
    """What one endpoint will be asked: each poll group with its device."""

    source: ModbusSettings
    groups: Sequence[tuple[DeviceSettings, ReadPlan]]
    spacing: float
    """The share of its time in which nothing may be sent, so that two messages are far enough apart."""

    @property
    def load(self) -> BusLoad:
        return BusLoad.of([plan for _, plan in self.groups])

    @property
    def busy(self) -> float:
        """The share of its time that requests, replies and the pauses between them take."""
        line = self.source.endpoint.serial
        return self.spacing + self.load.utilisation(
            ROUND_TRIP_S / self.source.max_in_flight, line.character if line else 0.0
        )


def endpoint_plans(settings: GatewaySettings, known: Profiles) -> list[EndpointPlan]:
    """Every endpoint, in the order of the file."""
    return [_endpoint_plan(settings, source, known) for source in settings.sources]


def _endpoint_plan(settings: GatewaySettings, source: ModbusSettings, known: Profiles) -> EndpointPlan:
    groups: list[tuple[DeviceSettings, ReadPlan]] = []
    spacing = 0.0
    for device in source.devices:
        profile = known[device.profile]
        origin = Origin(settings.edge, device.device, device.profile)
        of_device = plans(profile, device, origin, source.endpoint.framing)
        groups += [(device, plan) for plan in of_device]
        spacing += BusLoad.of(of_device).requests_per_s * max(
            source.message_spacing, profile.limits.message_spacing
        )
    return EndpointPlan(source, groups, spacing)


def grid(endpoints: Sequence[EndpointPlan]) -> Table:
    """A line for each poll group, and one for each endpoint."""
    table = Table(*_COLUMNS, box=None, pad_edge=False)
    for endpoint in endpoints:
        for device, plan in endpoint.groups:
            table.add_row(
                device.device, str(device.unit_id), plan.group, format_duration(plan.period),
                str(plan.requests), str(plan.registers), str(plan.wasted), ", ".join(map(str, plan.blocks)),
            )  # fmt: skip
        load = endpoint.load
        busy = f"{load.bytes_per_s:.0f} B/s, busy {endpoint.busy:.1%} of the time"
        rate = f"{load.requests_per_s:.1f}/s"
        table.add_row(endpoint.source.url, "", "", "", rate, "", "", busy, end_section=True)
    return table


def summary(endpoints: Sequence[EndpointPlan]) -> str:
    """What all of it comes to, and what part of a core it needs: every request costs, and every value."""
    plans = [plan for endpoint in endpoints for _, plan in endpoint.groups]
    polls = sum(1 / plan.period for plan in plans)
    points = sum(len(plan.columns.points) / plan.period for plan in plans)
    requests = BusLoad.of(plans).requests_per_s
    core = max(requests / CORE_REQUESTS_PER_S, points / CORE_POINTS_PER_S)
    return (
        f"{points:.0f} points/s in {requests:.1f} requests/s and {polls:.1f} polls/s;"
        f" about {core:.1%} of a CPU core, which {CORE_REQUESTS_PER_S // 2} polls/s of two requests and"
        " 100 values fill;"
        f" busy assumes {ROUND_TRIP_S * 1000:.0f} ms from a request to its reply"
    )


def warnings(endpoints: Sequence[EndpointPlan]) -> Iterator[str]:
    """Endpoints that cannot answer so much, and serial ports that are not there."""
    for endpoint in endpoints:
        source = endpoint.source
        if endpoint.busy > 1:
            yield (
                f"{source.url} is asked for more than it can answer: polls will be skipped; lengthen"
                " `poll_periods` of its devices, use more endpoints, or set `max_in_flight` where the device"
                " allows it"
            )
        timeouts = {source.url: source.timeout}
        timeouts |= {each.device: each.timeout for each in source.devices if each.timeout is not None}
        for name, timeout in timeouts.items():
            if timeout >= _LONG_TIMEOUT_S:
                yield (
                    f"{name}: timeout is {timeout:g} s, as a bare number is seconds; write {timeout:g}ms if"
                    " milliseconds are meant"
                )
        if source.endpoint.serial is not None and (problem := missing(source.endpoint.host)) is not None:
            yield f"{source.url}: {problem}"


def unsigned(settings: GatewaySettings) -> Iterator[str]:
    """What to say of acknowledgements that anybody at the broker can write."""
    stores = settings.delivery.unsigned_stores
    if stores and not settings.mqtt.on_loopback:
        yield (
            f"delivery.trusted_stores: acknowledgements of {', '.join(stores)} are not signed, so whoever may"
            f" publish them at {settings.mqtt.address} can make the gateway delete records;"
            " add key_file: FILE"
        )


def beyond_the_disk(settings: GatewaySettings) -> Iterator[str]:
    """Bounds of the spool and of the local history that their disks cannot hold."""
    spool = settings.spool
    bounds = [
        ("spool.max_bytes", spool.max_bytes, spool.directory),
        ("spool.min_free_disk", spool.min_free_disk, spool.directory),
    ]
    if settings.history is not None:
        bounds.append(("history.max_bytes", settings.history.max_bytes, settings.history_folder))
    for key, size, folder in bounds:
        there = (path for path in (folder, *folder.absolute().parents) if path.exists())
        disk = shutil.disk_usage(next(there))
        if size > disk.total:
            has = format_bytes(disk.total // 1_000_000 * 1_000_000)
            yield (
                f"{key} is {format_bytes(size)}, more than the disk of {folder} has"
                f" ({has}): the disk will be full first; name less, or another disk"
            )


def learned_limits(settings: GatewaySettings, known: Profiles) -> Iterator[str]:
    """What devices taught a gateway that ran with these settings."""
    memory = LearnedLimitsStore(settings.spool.directory / LEARNED_FOLDER)
    for source in settings.sources:
        for device in source.devices:
            limits = memory.load(device.device, known[device.profile])
            if limits != NOTHING_LEARNED:
                yield f"{device.device} {describe(NOTHING_LEARNED, limits)}"
