"""`qilu probe identify`: what one unit is, and which of its tables can be read."""

from __future__ import annotations

from gateway.commissioning.probe.arguments import Range
from gateway.commissioning.probe.reader import Prober, identity, ping, read_range
from gateway.commissioning.probe.unit_scan import TRIES
from qilu.contract.errors import UnreachableError
from qilu.contract.profile import Table
from qilu.modbus.device_identification import ObjectId
from qilu_cli.commands.probe.output import print_json
from qilu_cli.commands.probe.session import Access, prober
from qilu_cli.terminal import console

NO_IDENTITY = {"identity": "the device gives none"}


async def identify(access: Access, unit: int, form: str) -> None:
    """Print identification objects and tables; UnreachableError when the unit does not reply."""
    async with prober(access) as client:
        how = await ping(client, unit, TRIES)
        if how is None:
            remedy = f"see the units that reply: qilu probe scan {access.target}"
            raise UnreachableError(f"{client.url}: connected, but unit {unit} does not reply; {remedy}")
        texts = await identity(client, unit)
        tables = {table: await _state(client, unit, table) for table in Table}
    names = {number.value: number.name.lower() for number in ObjectId}
    objects = {names.get(number, f"object {number}"): text for number, text in texts.items()}
    if form == "json":
        print_json({"url": client.url, "unit": unit, "identity": objects, "tables": tables})
        return
    out = console()
    out.print(f"{client.url}: unit {unit} {how}")
    for name, text in (objects or NO_IDENTITY).items():
        out.print(f"  {name.replace('_', ' ')}: {text}")
    for table, state in tables.items():
        out.print(f"  {table}: {state}")
    out.print(f"next: qilu probe read {access.target} holding:0-99 --unit {unit}")


async def _state(client: Prober, unit: int, table: Table) -> str:
    """Whether a table replies at its first address."""
    try:
        dump = await read_range(client, unit, Range(table, 0, 0))
    except UnreachableError:
        return "no reply"
    return "can be read" if dump.values else f"address 0: {dump.missing[0]}"
