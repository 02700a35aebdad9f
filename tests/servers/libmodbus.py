"""A Modbus TCP server built on libmodbus, as a foreign peer for the gateway's tests."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from tests.servers import libmodbus_process
from tests.servers.process import Server
from tests.servers.programs import require_library

Tables = Mapping[Literal["coil", "discrete", "input", "holding"], Mapping[int, int]]
SIZE = 10_000  # entries in each table; addresses beyond are refused with exception 2


class LibmodbusServer(Server):
    """Serves raw words and bits by table and address, 0 where none is given, under every unit id.

    Writes of clients last until the next start().
    """

    name = "libmodbus"

    def __init__(
        self,
        directory: Path,
        tables: Tables,
        *,
        port: int | None = None,
    ) -> None:
        super().__init__(directory, port)
        self.tables = tables

    def command(self) -> Sequence[str | Path]:
        settings = self.directory / "served.json"
        served = {table: sorted(values.items()) for table, values in self.tables.items()}
        library = require_library("modbus")
        settings.write_text(
            json.dumps({"library": library, "port": self.port, "size": SIZE, "tables": served})
        )
        return [sys.executable, libmodbus_process.__file__, settings]
