"""Where on the broker things are: the kind first, so that one filter takes in every edge.

qilu/live/EDGE[/...]      records just polled
qilu/backlog/EDGE[/...]   records sent late, or again
qilu/ack/EDGE             acknowledgements of ingesters
qilu/status/EDGE          retained: the state of the edge, and its will
qilu/ingester/ID          retained: the announcement of an ingester
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator

from qilu.contract.errors import DataError
from qilu.contract.limits import MAX_NAME
from qilu.contract.lookalikes import find_lookalike
from qilu.contract.validation import validation_error


class Lane(StrEnum):
    """The two ways to the cloud: live records never wait behind the backlog."""

    LIVE = "live"
    BACKLOG = "backlog"


_SEPARATORS = ".*>"
"""Characters of NATS subjects and AMQP routing keys: RabbitMQ delivers `a.b` as `a/b`."""


def topic_level(name: str) -> str:
    """`name`, when it can be one level of a topic; ValueError with the reason when it cannot."""
    if not name or any(c in "/+#$" or c.isspace() or not c.isprintable() for c in name):
        raise ValueError(
            f"{name!r} cannot be part of a topic: it may not be empty or contain / + # $, blanks or control"
            " characters"
        )
    if lookalike := find_lookalike(name):
        raise ValueError(
            f"{name!r} cannot be part of a topic: {lookalike!r} (U+{ord(lookalike):04X}) looks like"
            " a character of ASCII and is another one"
        )
    if len(name) > MAX_NAME:
        raise ValueError(f"{name[:40]!r}... has {len(name)} characters; the limit is {MAX_NAME}")
    if separator := next((c for c in name if c in _SEPARATORS), None):
        raise ValueError(
            f"{name!r} cannot be part of a topic: brokers such as NATS and RabbitMQ translate topics, and"
            f" take {separator!r} in a name for a separator or a wildcard"
        )
    return name


def _topic_name(name: str) -> str:
    try:
        return topic_level(name)
    except ValueError as error:
        raise validation_error(str(error), "use letters, digits and hyphens, such as press-1") from error


TopicName = Annotated[str, AfterValidator(_topic_name)]
"""The name of an edge, a device or an ingester in a file of settings."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics below one prefix; the same on the edge and in the cloud."""

    prefix: str = "qilu"

    def records(self, lane: Lane, edge: str, device: str = "") -> str:
        """Where an edge publishes records of a lane; with a device where topics are per device."""
        return f"{self.prefix}/{lane}/{edge}/{device}" if device else f"{self.prefix}/{lane}/{edge}"

    def ack(self, edge: str) -> str:
        """Where ingesters acknowledge the records of an edge."""
        return f"{self.prefix}/ack/{edge}"

    def status(self, edge: str) -> str:
        """Where an edge keeps its retained status."""
        return f"{self.prefix}/status/{edge}"

    def ingester(self, ingester: str) -> str:
        """Where an ingester keeps its retained announcement."""
        return f"{self.prefix}/ingester/{ingester}"

    def records_filter(self, lane: Lane) -> str:
        return f"{self.prefix}/{lane}/#"

    def ingesters_filter(self) -> str:
        return f"{self.prefix}/ingester/+"

    def sender(self, topic: str) -> tuple[Lane, str]:
        """Lane and edge of the records that came on `topic`; DataError when it is not a topic of records."""
        kind, _, rest = topic.removeprefix(f"{self.prefix}/").partition("/")
        edge = rest.partition("/")[0]
        if not topic.startswith(f"{self.prefix}/") or kind not in (Lane.LIVE, Lane.BACKLOG) or not edge:
            raise DataError(f"{topic!r} is not a topic of records")
        return Lane(kind), edge
