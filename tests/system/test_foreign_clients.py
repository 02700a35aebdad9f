"""Clients that are not ours read the simulator as `qilu simulate` runs it: every number is the machine's own.

The registers are decoded here by hand from the profile's text, not by our codec.
"""

import asyncio
import math
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
import yaml
from pymodbus.client import AsyncModbusTcpClient

from simulator.app import load
from simulator.plant.plant import Plant
from tests.servers import free_port, require
from tests.system.programs import Qilu

PROFILES = Path(__file__).parents[2] / "configs" / "profiles"
MODELS = sorted(path.stem for path in PROFILES.glob("*.yaml") if "serve_counter" in path.read_text())
UNIT = 3
TABLES = ("coil", "discrete", "", "input", "holding")  # by the first digit of a Modicon address
SHAPES = {
    "uint16": ">H",
    "int16": ">h",
    "uint32": ">I",
    "int32": ">i",
    "uint64": ">Q",
    "int64": ">q",
    "float32": ">f",
    "float64": ">d",
}


class Place(NamedTuple):
    """Where a point stands, as every client counts: zero-based."""

    table: str
    address: int
    words: int


@dataclass(frozen=True)
class Text:
    """A profile as its text says it, without our reading of it."""

    whole: Mapping[str, Any]

    @property
    def points(self) -> Mapping[str, Mapping[str, Any]]:
        return {point["name"]: point for point in self.whole["points"]}

    def place(self, point: Mapping[str, Any]) -> Place:
        words = point.get("length") or struct.calcsize(SHAPES.get(point["type"], ">H")) // 2
        if self.whole.get("addressing") == "modicon":
            return Place(TABLES[point["address"] // 10_000], point["address"] % 10_000 - 1, words)
        return Place(point["table"], point["address"], words)

    def decode(self, point: Mapping[str, Any], words: Sequence[int]) -> float | str:
        """The engineering value in these registers, or in this one bit."""
        if self.place(point).table in ("coil", "discrete"):
            return float(words[0])
        ordered = words[::-1] if self.order(point, "word_order") == "little" else words
        data = b"".join(word.to_bytes(2, self.order(point, "byte_order")) for word in ordered)
        if point["type"] == "bool":
            return int.from_bytes(data, "big") >> int(point["bit"]) & 1
        if point["type"] == "string":
            return data.rstrip(b"\0").decode()
        raw: float = struct.unpack(SHAPES[point["type"]], data)[0]
        scale, offset = self.number(point.get("scale", 1)), self.number(point.get("offset", 0))
        return raw * scale + offset

    def order(self, point: Mapping[str, Any], which: str) -> Literal["big", "little"]:
        return "little" if point.get(which, self.whole.get(which)) == "little" else "big"

    def number(self, given: Any) -> float:
        return float(self.whole["parameters"][given["parameter"]] if isinstance(given, dict) else given)

    def close(self, point: Mapping[str, Any], read: float | str, true: Any) -> bool:
        """Whether a value is what the machine has, but for the rounding of its registers."""
        if isinstance(read, str):
            return read.encode() == bytes(true)
        coarse = 0.5001 * abs(self.number(point.get("scale", 1))) if "float" not in point["type"] else 0.0
        return math.isclose(read, float(true), rel_tol=1e-6, abs_tol=max(coarse, 1e-9))


def text_of(model: str) -> Text:
    return Text(yaml.safe_load((PROFILES / f"{model}.yaml").read_text()))


def true_values(plant: Plant, model: str) -> Mapping[str, Any]:
    """What the machine's physics say, before any of it becomes a register."""
    values = plant.devices[model]._image.machines.values()
    return {point: values[point][0] for point in values}


@dataclass(frozen=True)
class Paused:
    """A plant that stands still: served by `qilu simulate --paused`, and its twin in this process."""

    ports: Mapping[str, int]
    twin: Plant


@pytest.fixture(scope="module")
def paused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paused]:
    """One machine of each model, ten seconds after the begin."""
    folder = tmp_path_factory.mktemp("plant")
    ports = {model: free_port() for model in MODELS}
    machines = [
        {"device": model, "machine": model, "port": port, "unit_id": UNIT} for model, port in ports.items()
    ]
    file = folder / "plant.yaml"
    settings = {"plant": "paused", "seed": 11, "step": "10s", "sensors": "ideal", "machines": machines}
    file.write_text(yaml.safe_dump(settings))
    with Qilu(folder, "simulate", file, "--paused", ready="devices are served"):
        yield Paused(ports, load(file))


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=5, retries=0, reconnect_delay=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


async def ask_pymodbus(client: AsyncModbusTcpClient, place: Place) -> list[int]:
    """The registers of a place, or its bit."""
    ask = {
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
        "input": client.read_input_registers,
        "holding": client.read_holding_registers,
    }[place.table]
    reply = await ask(place.address, count=place.words, device_id=UNIT)
    assert not reply.isError(), reply
    return [int(reply.bits[0])] if place.table in ("coil", "discrete") else list(reply.registers)


async def ask_mbpoll(port: int, place: Place) -> list[int]:
    """The same, by a program on libmodbus."""
    command = [
        *(require("mbpoll"), "-m", "tcp", "-p", port, "-0", "-1", "-q", "-a", UNIT),
        *("-t", ("coil", "discrete", "", "input", "holding").index(place.table)),
        *("-r", place.address, "-c", place.words, "127.0.0.1"),
    ]
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    found = [line.split()[1] for line in output.decode().splitlines() if line.startswith("[")]
    assert len(found) == place.words, output.decode()
    return [int(number) for number in found]


@pytest.mark.parametrize("model", MODELS)
async def test_pymodbus_and_mbpoll_read_what_the_machine_has(model: str, paused: Paused) -> None:
    text, true = text_of(model), true_values(paused.twin, model)
    async with connected(paused.ports[model]) as client:
        for name, point in text.points.items():
            place = text.place(point)
            registers = await ask_pymodbus(client, place)
            if name == "serve_counter":
                assert text.decode(point, registers) == 1
                assert text.decode(point, await ask_mbpoll(paused.ports[model], place)) == 2
                continue
            read = text.decode(point, registers)
            assert text.close(point, read, true[name]), f"{name}: {read} of {true[name]}, {registers}"
            assert await ask_mbpoll(paused.ports[model], place) == registers, name
