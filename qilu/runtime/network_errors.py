"""Why nobody was reached over a network, in words that fit a Modbus device, a broker and a store alike."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl

from qilu.contract.errors import describe_os_error

_NUMBER = re.compile(r"\[Errno (\d+)\]")


def describe_network_error(error: OSError) -> str:
    """What the system meant; asyncio hides it behind words of its own, and in them where it tried several."""
    if isinstance(error, socket.gaierror):
        return f"no address for this name ({describe_os_error(error)})"
    if isinstance(error, ssl.SSLError):
        return str(error)  # it has numbers of its own
    tried = _NUMBER.search(str(error))
    number = error.errno or (int(tried[1]) if tried else 0)
    if number == errno.ECONNREFUSED:
        return "nothing listens there"
    return os.strerror(number).lower() if number > 0 else str(error) or type(error).__name__
