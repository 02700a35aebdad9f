"""Serial lines out of pseudo terminals: one with a scripted peer at its far end, one between two ports."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from tests.gateway.sources.peer import Peer


class _FarEnd(asyncio.Transport):
    """The end of the line where the devices are."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.descriptor = descriptor
        self.closing = False

    def write(self, data: Any) -> None:
        os.write(self.descriptor, bytes(data))

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        """As if the adapter was pulled out."""
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().remove_reader(self.descriptor)
            os.close(self.descriptor)

    abort = close


@contextmanager
def line_to(peer: Peer) -> Iterator[str]:
    """The port at whose other end the peer is."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    name = os.ttyname(theirs)
    end = _FarEnd(ours)
    peer.framing = "rtu"
    line = peer.accept(cast(asyncio.Transport, end))
    asyncio.get_running_loop().add_reader(ours, lambda: peer.heard(line, os.read(ours, 4096)))
    try:
        yield name
    finally:
        end.close()
        os.close(theirs)


@contextmanager
def two_ports() -> Iterator[tuple[str, str]]:
    """Two ports with a line between them."""
    loop = asyncio.get_running_loop()
    (a, a_port), (b, b_port) = pty.openpty(), pty.openpty()
    for port in (a_port, b_port):
        tty.setraw(port)
    loop.add_reader(a, lambda: os.write(b, os.read(a, 4096)))
    loop.add_reader(b, lambda: os.write(a, os.read(b, 4096)))
    try:
        yield os.ttyname(a_port), os.ttyname(b_port)
    finally:
        for end in (a, b):
            loop.remove_reader(end)
        for descriptor in (a, b, a_port, b_port):
            os.close(descriptor)
