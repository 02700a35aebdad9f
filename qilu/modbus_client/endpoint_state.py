"""What is known of an endpoint and outlives its connections."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Self

from qilu.modbus_client.late_reply_guard import LateReplyGuard
from qilu.modbus_client.local_echo import LocalEcho
from qilu.modbus_client.transaction import LinkOptions
from qilu.modbus_client.transaction_ids import TransactionIds


@dataclass(frozen=True, slots=True)
class EndpointState:
    """Shared by all connections, one after another, to one endpoint."""

    ids: TransactionIds
    overdue: LateReplyGuard
    echo: LocalEcho

    @classmethod
    def new(cls, name: str, rules: LinkOptions, random: Random, timeout: float = 0.0) -> Self:
        """`timeout`: seconds that a unit in service is waited for."""
        return cls(TransactionIds(random), LateReplyGuard(rules, timeout), LocalEcho(name, rules.local_echo))
