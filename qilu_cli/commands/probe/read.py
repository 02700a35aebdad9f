"""`qilu probe read`: what ranges of addresses hold, in every plausible type and order."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.commissioning.probe.arguments import parse_range
from qilu_cli.commands.probe.output import dump_grid, dump_json, dump_lines, print_json
from qilu_cli.commands.probe.session import Access, dump, prober
from qilu_cli.terminal import console


async def read(access: Access, ranges: Sequence[str], unit: int, form: str) -> None:
    """Read and print each range; ConfigError for arguments that make no sense."""
    parsed = [parse_range(text) for text in ranges]
    async with prober(access) as client:
        dumps = [await dump(client, unit, addresses) for addresses in parsed]
    if form == "json":
        print_json([dump_json(content) for content in dumps])
        return
    out = console()
    for content in dumps:
        out.print(f"{content.span} of unit {unit} at {client.url}", style="bold")
        out.print(dump_grid(content, out.width))
        for line in dump_lines(content, out.width):
            out.print(line)
