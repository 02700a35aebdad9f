"""Taking a number of messages from a link, for tests."""

import asyncio
from contextlib import aclosing

from qilu.mqtt.client import BrokerConnection, Message


async def take(link: BrokerConnection, count: int) -> list[Message]:
    """The next `count` messages; TimeoutError when they do not come."""
    taken: list[Message] = []
    async with asyncio.timeout(60), aclosing(link.messages()) as messages:
        async for message in messages:
            taken.append(message)
            if len(taken) == count:
                break
    return taken
