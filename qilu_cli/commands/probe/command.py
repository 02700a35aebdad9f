"""One call of `qilu probe`: what was asked for, in the order of its options."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from random import Random

from pydantic import ValidationError

from gateway.commissioning.probe.arguments import Range, parse_range, parse_target, parse_units
from gateway.commissioning.probe.range_dump import Dump
from gateway.commissioning.probe.reader import Prober, identity, ping, read_range, settings_for
from gateway.commissioning.probe.unit_scan import Unit, scan, verdict
from gateway.commissioning.probe.value_search import SHOWN, Match, Tolerance, find, parse_tolerance
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.profile import Table
from qilu.contract.units import parse_duration
from qilu.modbus.device_identification import ObjectId
from qilu_cli.commands.probe import output as showing
from qilu_cli.commands.probe.watch import watch
from qilu_cli.terminal import console

SCAN_TIMEOUT_S = 0.3
"""Seconds to wait for each unit of a scan where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """The options of `qilu probe`, as they were given."""

    target: str
    unit: int
    units: str | None
    read: tuple[str, ...]
    expect: float | None
    tolerance: str
    watch: str | None
    timeout: str | None
    form: str


async def probe(options: ProbeOptions) -> None:
    """Do it and print what was found; ConfigError for options that make no sense."""
    url = parse_target(options.target)
    ranges = [parse_range(text) for text in options.read]
    units = parse_units(options.units) if options.units else ()
    period = _seconds("--watch", options.watch) if options.watch else None
    default = SCAN_TIMEOUT_S if units and not ranges else 1.0
    timeout = _seconds("--timeout", options.timeout) if options.timeout else default
    if (options.expect is not None or period is not None) and not ranges:
        option = "--watch" if period is not None else "--expect"
        raise ConfigError("needs --read", key=option, remedy="add --read holding:0-99")
    if period is not None and (options.form == "json" or options.expect is not None):
        raise ConfigError("goes with a table only", key="--watch", remedy="leave out --format and --expect")
    if options.form == "json" and units and ranges:
        raise ConfigError("prints one thing", key="--format json", remedy="ask for --units or for --read")
    tolerance = parse_tolerance(options.tolerance)
    if options.expect is not None:
        ranges = _searched(options.expect, ranges)
    async with Prober(settings_for(url, timeout), Random()) as prober:
        if units:
            await _scan(prober, units, options.form)
        if period is not None:
            await watch(prober, options.unit, ranges, period)
        elif options.expect is not None:
            await _expect(prober, options, options.expect, tolerance, ranges)
        elif ranges:
            await _dump(prober, options, ranges)
        elif not units:
            await _look(prober, options)


def _seconds(option: str, text: str) -> float:
    try:
        seconds = parse_duration(text)
    except (ValueError, ValidationError):
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ConfigError(
            f"{text!r} is not a duration of up to an hour", key=option, remedy="write 500ms or 1s"
        )
    return seconds


async def _scan(prober: Prober, units: tuple[int, ...], form: str) -> None:
    out, timeout = console(), prober.settings.timeout

    def report(unit: Unit) -> None:
        if form != "json":
            out.print(f"unit {unit.unit:3}  {unit.how}  {unit.identity}".rstrip())

    if form != "json":
        out.print(f"{prober.url}: asking {len(units)} unit ids, at most {len(units) * timeout:.0f} s")
    with showing.progress("unit ids", len(units)) as bar:
        answering = await scan(prober, units, report, bar)
    if form == "json":
        showing.print_json({"asked": len(units), "units": [unit._asdict() for unit in answering]})
    else:
        out.print(verdict(units, answering, timeout))


async def _read(prober: Prober, unit: int, span: Range) -> Dump:
    with showing.progress(str(span), span.size) as bar:
        return await read_range(prober, unit, span, bar)


async def _dump(prober: Prober, options: ProbeOptions, ranges: list[Range]) -> None:
    dumps = [await _read(prober, options.unit, span) for span in ranges]
    if options.form == "json":
        showing.print_json([showing.dump_json(dump) for dump in dumps])
        return
    out = console()
    for dump in dumps:
        out.print(f"{dump.span} of unit {options.unit} at {prober.url}", style="bold")
        out.print(showing.dump_grid(dump, out.width))
        for line in showing.dump_lines(dump, out.width):
            out.print(line)


def _searched(expected: float, ranges: list[Range]) -> list[Range]:
    """Those of the ranges in which a number can be found."""
    registers = [span for span in ranges if not span.table.holds_bits]
    if not registers or not expected or not isfinite(expected):
        raise ConfigError(
            "a number other than 0 in registers is searched", key="--expect", remedy="read holding or input"
        )
    return registers


async def _expect(
    prober: Prober, options: ProbeOptions, expected: float, tolerance: Tolerance, ranges: list[Range]
) -> None:
    """Neighbours of the ranges are read too: addresses are often off by one."""
    matches: list[tuple[Dump, Match, Range]] = []
    for entry in ranges:
        dump = await _read(prober, options.unit, entry.widened(1, 3))
        matches += [(dump, match, entry) for match in find(dump, expected, tolerance) if match.near(entry)]
    shown = sorted(matches, key=lambda row: row[1].cost)[:SHOWN]
    if options.form == "json":
        showing.print_json([showing.match_json(*entry) for entry in shown])
        return
    out = console()
    if not shown:
        out.print(
            f"nothing there shows {expected:g} within {options.tolerance}: try more addresses, the other"
            " table (holding, input) or a larger --tolerance",
        )
        return
    out.print(showing.match_grid(shown))


async def _look(prober: Prober, options: ProbeOptions) -> None:
    """What one unit says without being asked for anything in particular."""
    how = await ping(prober, options.unit)
    if how is None:
        raise UnreachableError(
            f"{prober.url}: connected, but unit {options.unit} does not reply; scan with --units 1-247"
        )
    identity_texts = await identity(prober, options.unit)
    tables = {table: await _try(prober, options.unit, table) for table in Table}
    names = {number.value: number.name.lower() for number in ObjectId}
    named = {names.get(number, f"object {number}"): text for number, text in identity_texts.items()}
    if options.form == "json":
        showing.print_json({"url": prober.url, "unit": options.unit, "identity": named, "tables": tables})
        return
    out = console()
    out.print(f"{prober.url}: unit {options.unit} {how}")
    for name, text in named.items() or {"identity": "the device does not say what it is"}.items():
        out.print(f"  {name.replace('_', ' ')}: {text}")
    for table, state in tables.items():
        out.print(f"  {table}: {state}")
    out.print(
        "read more with --read holding:0-99, find a known value with --expect, other units with --units"
    )


async def _try(prober: Prober, unit: int, table: Table) -> str:
    """Whether a table answers at its first address."""
    try:
        dump = await read_range(prober, unit, Range(table, 0, 0))
    except UnreachableError:
        return "no answer"
    return "can be read" if dump.values else f"address 0: {dump.missing[0]}"
