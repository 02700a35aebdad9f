"""What strangers may publish on our topics, with a client that is not ours."""

import subprocess

from tests.servers import Mosquitto, require

STRANGE = "00000000deadbeef"
HEAD = '{"qilu":1,"stream":"' + STRANGE + '","offsets":"%s","records":[%s]}'
RECORD = '{"edge":"%s","device":"%s","profile":"p","group":"g","due_ms":1,"readings":[{"t":%s,"v":{"a":%s}}]}'
RECORDS: tuple[bytes, ...] = (
    b"",
    b"garbage",
    bytes(range(256)) * 100,
    b"{}",
    b'{"qilu":99,"stream":"' + STRANGE.encode() + b'","offsets":"0","records":[{}]}',
    b'{"qilu":1,"stream":"xyz","offsets":"0","records":[{}]}',
    *(
        text.encode()
        for text in (
            HEAD % ("5-1", "{}"),
            HEAD % ("0-999999999999999999", "{}"),
            HEAD % ("0", ""),
            HEAD % ("0", "{"),
            HEAD % ("0", "[" * 2000),
            HEAD % ("0", "{}"),
            HEAD % ("0-1", "{}"),
            HEAD % ("0", RECORD % ("somebody-else", "d", "1", "1")),
            HEAD % ("0", RECORD % ("edge-1", "d", "1e400", "1")),
            HEAD % ("0", RECORD % ("edge-1", "d", "9" * 19, "1")),
            HEAD % ("0", RECORD % ("edge-1", "d", "9" * 40, "1")),
            HEAD % ("0", RECORD % ("edge-1", "d", "-" + "9" * 18, "1")),
            HEAD % ("0", RECORD % ("edge-1", "d", "1", "9" * 400)),
            HEAD % ("0", RECORD % ("edge-1", "d", "1", "1e400")),
            HEAD % ("0", RECORD % ("edge-1", "d", "1", '{"b":[]}')),
            HEAD % ("0", RECORD % ("edge-1", "d", "1", r'"\ud800"')),
            HEAD % ("0", RECORD % ("edge-1", r"\u0000", "1", "1")),
            HEAD % ("0", RECORD % ("edge-1", "'; DROP TABLE readings; --", "1", "1")),
        )
    ),
)
"""What a stranger may publish where records are expected."""

NOTICES: tuple[bytes, ...] = (
    b"",
    b"garbage",
    bytes(range(256)),
    b"{}",
    b"[]",
    b'{"qilu":99}',
    b'{"qilu":1,"store":"s","ingester":"i","stream":"'
    + STRANGE.encode()
    + b'","durable":"0-99999999999999"}',
    b'{"qilu":1,"store":"s","ingester":"i","stream":"-1","durable":"-1"}',
    b'{"qilu":1,"store":"s","ingester":"i","stream":"1","rejected":{"x":"y"}}',
    b'{"ingester":"i","store":"s","horizon":-1e308}',
    b'{"ingester":"i","store":"s","horizon":1e999}',
    b'{"edge":"edge-1","state":"offline","boot":"x","since_ms":0}',
)
"""And where answers, announcements and states are."""


def publish(broker: Mosquitto, topic: str, payload: bytes) -> None:
    """As a stranger does, with a client that is not ours."""
    how = "-s" if payload else "-n"
    command = [str(require("mosquitto_pub")), "-p", str(broker.port), "-q", "1", "-t", topic, how]
    subprocess.run(command, input=payload, check=True, timeout=10)


def publish_garbage_for_records(broker: Mosquitto) -> None:
    """On the topics on which gateways publish records."""
    for payload in RECORDS:
        for topic in ("qilu/live/edge-1", "qilu/backlog/edge-1/x"):
            publish(broker, topic, payload)
    publish(broker, "qilu/live", b"garbage")


def publish_garbage_for_notices(broker: Mosquitto) -> None:
    """On the topics of answers, states and announcements."""
    for payload in NOTICES:
        for topic in ("qilu/ack/edge-1", "qilu/status/edge-1", "qilu/ingester/x"):
            publish(broker, topic, payload)
