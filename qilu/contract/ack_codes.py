"""Why a record was not stored: the one table that divides a verdict on the data from the state of the world.

`rejected` is for what no change of a clock, a limit, a proxy, a setting or a permission can make storable.
All else is `deferred`: the edge keeps the record and sends it again. What is not recognised is deferred, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from qilu.contract.errors import DataError


class Family(Enum):
    """What an edge does with a record that was not stored."""

    REJECTED = "rejected"
    """Set it aside: the record itself is wrong."""
    DEFERRED = "deferred"
    """Keep it and send it again later: the cause can be removed."""


class AckCode(StrEnum):
    """The codes on the wire, in logs and in the audit. A code that is not in here is UNKNOWN."""

    MALFORMED = "malformed"
    BAD_VALUE = "bad_value"
    BAD_NAME = "bad_name"
    BAD_TIME = "bad_time"
    FIELD_CONFLICT = "field_conflict"

    BAD_MESSAGE = "bad_message"
    WRONG_EDGE = "wrong_edge"
    NOT_OWNER = "not_owner"
    IN_FUTURE = "in_future"
    BEFORE_RETENTION = "before_retention"
    TOO_LARGE = "too_large"
    STORE_LIMIT = "store_limit"
    STORE_REFUSED = "store_refused"
    STORE_IN_DOUBT = "store_in_doubt"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> AckCode:  # noqa: ARG003
        """A code of a newer ingester: not recognised, so deferred."""
        return cls.UNKNOWN

    @property
    def family(self) -> Family:
        """Whether the record is set aside or kept."""
        return _TABLE[self].family

    @property
    def summary(self) -> str:
        """What the code means, in one line."""
        return _TABLE[self].summary

    @property
    def remedy(self) -> str:
        return _TABLE[self].remedy


@dataclass(frozen=True, slots=True)
class _Entry:
    family: Family
    summary: str
    remedy: str


def _rejected(summary: str, remedy: str) -> _Entry:
    return _Entry(Family.REJECTED, summary, remedy)


def _deferred(summary: str, remedy: str) -> _Entry:
    return _Entry(Family.DEFERRED, summary, remedy)


_TABLE = {
    AckCode.MALFORMED: _rejected(
        "the record cannot be decoded", "update the gateway or the ingester; the quarantine has the record"
    ),
    AckCode.BAD_VALUE: _rejected(
        "a value is beyond what a store can hold", "correct the type of the point in the device profile"
    ),
    AckCode.BAD_NAME: _rejected(
        "a name cannot be stored",
        "rename the device, the profile or the point as the log of the ingester says",
    ),
    AckCode.BAD_TIME: _rejected("a time is beyond what a store can hold", "set the clock of the edge"),
    AckCode.FIELD_CONFLICT: _rejected(
        "a field has another type in the store; the other fields of the reading are stored",
        "remove the field or the measurement from the store, or rename the point",
    ),
    AckCode.BAD_MESSAGE: _deferred(
        "the message around the record cannot be taken apart",
        "look for what changes messages between edge and ingester; update the older of both",
    ),
    AckCode.WRONG_EDGE: _deferred(
        "the record names another edge than its topic",
        "give the edge its old name, or send the records on the topics of that edge: `qilu spool`",
    ),
    AckCode.NOT_OWNER: _deferred(
        "the device belongs to another edge by `owners` of the ingester",
        "correct `owners` in the settings of the ingester, or the name of the device at this edge",
    ),
    AckCode.IN_FUTURE: _deferred(
        "the time of the record is in the future by the clock of the ingester",
        "compare the clocks of the edge and of the ingester with the true time",
    ),
    AckCode.BEFORE_RETENTION: _deferred(
        "the time of the record is older than the retention of the store",
        "compare both clocks with the true time, or raise the retention of the store",
    ),
    AckCode.TOO_LARGE: _deferred(
        "the record is larger than a limit on its way",
        "raise the limit that the log names (broker, proxy or store), or divide the poll group",
    ),
    AckCode.STORE_LIMIT: _deferred(
        "a limit of the store is reached", "raise the limit of the store that the log of the ingester names"
    ),
    AckCode.STORE_REFUSED: _deferred(
        "the store, or a proxy in front of it, refused the record for a reason that is not recognised",
        "read the answer of the store in the log of the ingester",
    ),
    AckCode.STORE_IN_DOUBT: _deferred(
        "the store took the record but it is not known to be kept", "read the log of the ingester"
    ),
    AckCode.UNKNOWN: _deferred("the code is not known to this program", "update the gateway"),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one record was not stored, or not whole; `text` names the place and the value.

    `values`: how many of its values were not stored where the others were (FIELD_CONFLICT); else 0.
    """

    code: AckCode
    text: str
    values: int = 0

    @property
    def family(self) -> Family:
        """Whether the record is set aside or kept."""
        return self.code.family

    def __str__(self) -> str:
        return f"{self.code} {self.values}: {self.text}" if self.values else f"{self.code}: {self.text}"

    @classmethod
    def parse(cls, line: str) -> Refusal:
        """The refusal that `str()` wrote; a line without a known code keeps its words under UNKNOWN."""
        head, _, text = line.partition(": ")
        name, _, values = head.partition(" ")
        code = AckCode(name)
        if code is AckCode.UNKNOWN:
            return cls(code, line)
        return cls(code, text, int(values) if values.isdecimal() and len(values) < 10 else 0)


class RefusalError(DataError):
    """A poll that cannot be stored, with the code for the edge."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal
