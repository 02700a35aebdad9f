r"""A Modbus client for TCP, TLS, UDP, RTU and ASCII, which needs nothing of the gateway.

One endpoint is one connection; requests are sent one at a time:

    from qilu.modbus.functions import Function
    from qilu.modbus.read_functions import Read
    from qilu.modbus.write_functions import WriteRegister
    from qilu.modbus_client.client import connected

    async def example(url="tcp://192.168.0.10:502", **options):
        async with connected(url, timeout=1.0, **options) as client:
            await client.write_and_verify(1, WriteRegister(5, b"\x12\x34"))
            return await client.read(1, Read(Function.READ_HOLDING_REGISTERS, 5, 1))

| url | |
|---|---|
| `tcp://HOST:502`, `udp://HOST:502` | Modbus TCP frames, in a stream or in datagrams |
| `tls://HOST:802` | Modbus TCP inside TLS; `tls=TlsSettings(ca=..., cert=..., key=...)` |
| `rtu+tcp://HOST:PORT`, `rtu+udp://HOST:PORT`, `rtu:///dev/ttyUSB0?baudrate=9600&parity=E` | RTU frames |
| `ascii+tcp://HOST:PORT`, `ascii:///dev/ttyUSB0` | ASCII frames; needs `pip install 'qilu[ascii]'` |

`read` takes functions 1 to 4 and 23, `write` functions 5, 6, 15, 16 and 22, `identify` function 43. A reply
counts only with the transaction id, unit id, function and byte count of its request. Errors:
ReplyTimeoutError, ExceptionReply (the device refused), ConnectionLostError, and UnreachableError (no
connection). A request is sent once: after a timeout of a write, only the caller knows whether it may be
repeated.

| module | what it does |
|---|---|
| `client` | reads and writes for tools: one call, one request |
| `connector` | connects, and keeps an endpoint connected, with backoff; used by the gateway |
| `link_state`, `reconnect_policy` | the states of an endpoint's link, and when it is connected again |
| `connection`, `untagged_connection` | match replies to requests: by transaction id, or one after the other |
| `transaction`, `open_requests`, `read_wait`, `unusable_reply` | a request, and the parts of a connection |
| `endpoint_state`, `late_reply_guard`, `local_echo` | outlive connections: ids, late replies, echo |
| `options`, `endpoint`, `serial`, `datagrams`, `ascii_framing` | settings, addresses and transports |
"""
