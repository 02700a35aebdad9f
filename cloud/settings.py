"""The settings of an ingester, checked: which broker, which store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from qilu.contract.topics import TopicName
from qilu.contract.units import ByteSize, Duration, Period
from qilu.contract.validation import FrozenModel, validation_error
from qilu.mqtt.settings import MqttSettings
from qilu.stores.settings import InfluxSettings, SqliteSettings
from qilu.web.settings import WebSettings


def _pattern(text: str) -> str:
    if not text:
        raise validation_error(
            "an empty pattern matches no device", 'write the name of a device, or "press-*"'
        )
    return text


_DevicePattern = Annotated[str, AfterValidator(_pattern)]


class IngesterSettings(FrozenModel):
    """One ingester; any number of them may fill one store, and share the work where the broker can."""

    ingester: TopicName | None = None
    """Its id; one of its own is made up where none is given. No two may have the same."""
    mqtt: MqttSettings = MqttSettings()
    """The broker."""
    store: Annotated[SqliteSettings | InfluxSettings, Field(discriminator="type")]
    """The store that it fills."""
    owners: Mapping[_DevicePattern, TopicName] = {}
    """Pattern of device names (`*` and `?`) -> the one edge that may write these devices; the first that
    matches decides. Records of another edge are deferred as `not_owner`. Other devices may come from all."""
    expected_edges: Annotated[tuple[TopicName, ...], Field(max_length=1000)] = ()
    """Edges that should report: dashboards and alert rules name one that never did."""
    status_interval: Period = 10.0
    """Seconds between two reports of the ingester's own state into the store."""
    ack_key_file: Path | None = None
    """A file with the master key of the store, and nothing else: with keys derived from it the
    acknowledgements are signed. Default: they are not signed."""
    shared_subscription: bool = True
    """Share the records with other ingesters of the same store; MQTT 5 only, otherwise each gets all."""
    linger: Duration = 0.05
    """Seconds that records may wait for others to be written with."""
    max_records_per_write: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Records in one write to the store, at most."""
    max_bytes_per_write: ByteSize = 4_000_000
    """Bytes of messages in one write to the store; the last message may go beyond."""
    max_backlog_bytes_per_write: ByteSize = 64_000
    """Bytes of backlog in one write, as many as one full message of a gateway: what comes live meanwhile
    waits for no more. Smaller messages go together, a larger one alone."""
    metrics: WebSettings | None = None
    """Where `/metrics`, `/healthz`, `/readyz` and the status are served; default: nowhere. With `{}` at
    127.0.0.1:8080."""
    max_queue_bytes: ByteSize = 64_000_000
    """Bytes of messages that may wait for the store; what exceeds this is not acknowledged, so that the
    edge sends it again."""
