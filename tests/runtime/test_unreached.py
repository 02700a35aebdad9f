"""Nobody is reached, and it is told why in words that a person understands."""

import asyncio
import errno
import os
import socket
import ssl

import pytest

from qilu.runtime.network_errors import describe_network_error
from tests.servers import free_port


async def test_a_port_on_which_nothing_listens_is_reported_as_that() -> None:
    with pytest.raises(ConnectionRefusedError) as refused:
        await asyncio.open_connection("127.0.0.1", free_port())
    assert "127.0.0.1" in str(refused.value), "asyncio has put its own words there"
    assert describe_network_error(refused.value) == "nothing listens there"


def test_of_a_name_with_several_addresses_the_first_tells_why() -> None:
    tried = (
        "[Errno %d] Connect call failed ('::1', 502, 0, 0), [Errno 113] Connect call failed ('10.0.0.1', 502)"
    )
    several = OSError(f"Multiple exceptions: {tried % errno.ECONNREFUSED}")
    assert describe_network_error(several) == "nothing listens there"


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNRESET])
def test_what_the_system_says_comes_without_numbers_and_addresses(number: int) -> None:
    error = OSError(number, "Connect call failed ('10.0.0.1', 502)")
    assert describe_network_error(error) == os.strerror(number).lower()


def test_a_name_without_an_address_is_reported_as_that() -> None:
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert describe_network_error(error) == "no address for this name (name or service not known)"


def test_what_is_wrong_with_a_certificate_is_reported_in_full() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed: certificate has expired")
    assert "certificate has expired" in describe_network_error(error)
