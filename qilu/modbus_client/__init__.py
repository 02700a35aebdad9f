r"""A Modbus client for TCP, RTU over TCP, serial lines, and the rarer transports of `endpoint.py`.

It needs nothing of the gateway. One endpoint is one connection; requests are sent one at a time:

    from qilu.modbus.functions import Function
    from qilu.modbus.pdu import Read, WriteRegister
    from qilu.modbus_client.client import connected

    async def example():
        async with connected("tcp://192.168.0.10:502", timeout=1.0) as client:
            await client.write_and_verify(1, WriteRegister(5, b"\x12\x34"))
            return await client.read(1, Read(Function.READ_HOLDING_REGISTERS, 5, 1))

`read` takes functions 1 to 4 and 23, `write` functions 5, 6, 15, 16 and 22, `identify` function 43. A reply
counts only with the transaction id, unit id, function and byte count of its request. Errors:
ReplyTimeoutError, ExceptionReply (the device refused), ConnectionLostError, and UnreachableError (no
connection). A request is sent once: after a timeout of a write, only the caller knows whether it may be
repeated.

| module | what it does |
|---|---|
| `client` | reads and writes for tools: one call, one request |
| `connector` | keeps an endpoint connected, with backoff; used by the gateway |
| `reconnect_policy` | when the connector connects again |
| `connection`, `untagged_connection` | match replies to requests: by transaction id, or one after the other |
| `open_requests`, `read_wait`, `connection_record`, `unusable_reply` | its parts |
| `late_reply_guard`, `local_echo` | lines without transaction ids: late replies, and echoes of the adapter |
| `endpoint`, `serial`, `datagrams`, `ascii_framing` | addresses and transports |
"""
