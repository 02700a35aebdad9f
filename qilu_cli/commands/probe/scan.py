"""`qilu probe scan`: which unit ids reply at an endpoint."""

from __future__ import annotations

from gateway.commissioning.probe.arguments import parse_units
from gateway.commissioning.probe.unit_scan import Unit, scan, verdict
from qilu_cli.commands.probe.output import print_json, progress
from qilu_cli.commands.probe.session import Access, prober
from qilu_cli.terminal import console


async def scan_units(access: Access, units: str, form: str) -> None:
    """Ask each unit id and print those that reply; ConfigError for arguments that make no sense."""
    unit_ids = parse_units(units)
    out, as_json = console(), form == "json"

    def report(unit: Unit) -> None:
        if not as_json:
            out.print(f"unit {unit.unit:3}  {unit.how}  {unit.identity}".rstrip())

    async with prober(access) as client:
        timeout_s = client.settings.timeout
        if not as_json:
            out.print(f"{client.url}: {len(unit_ids)} unit ids, at most {len(unit_ids) * timeout_s:.0f} s")
        with progress("unit ids", len(unit_ids)) as bar:
            replies = await scan(client, unit_ids, report, bar)
    if as_json:
        print_json({"asked": len(unit_ids), "units": [unit._asdict() for unit in replies]})
    else:
        out.print(verdict(unit_ids, replies, timeout_s))
