"""What became of a reload, in words and as data."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway.reload.comparison import SettingsChange
from gateway.reload.summary import summary
from qilu.contract.errors import ConfigError

Outcome = Literal["nothing", "hot", "taken", "restart", "refused", "busy", "waiting"]


class ReloadReport(msgspec.Struct, frozen=True):
    """One plan or one reload.

    `outcome`: nothing differs; hot: it could be taken; taken: it was; restart: it needs one, and the old set
    runs on; refused: it is wrong, and the old set runs on; busy: another reload is in progress; waiting: it
    is taken as soon as the polls in progress have ended.
    """

    outcome: Outcome
    text: str
    """What happened, for people, with the remedy."""
    text_zh: str = ""
    """The same in Chinese, where there is such a text."""
    restart: tuple[str, ...] = ()
    """Keys that need a restart."""
    edge: tuple[str, ...] = ()
    """Keys of the gateway as a whole that are changed while it runs."""
    endpoints: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    """URL, fate and keys of each endpoint that comes, goes or is connected anew."""
    devices: tuple[tuple[str, str, str, tuple[str, ...]], ...] = ()
    """Name, fate, URL and keys of each device that does not stay as it is."""

    @classmethod
    def of(cls, change: SettingsChange, outcome: Outcome | None = None, text: str = "") -> ReloadReport:
        """What a change would do, or did."""
        return cls(
            outcome or change.verdict.value,
            text or summary(change),
            summary(change, "zh"),
            change.restart,
            change.edge,
            tuple((entry.url, entry.fate.value, entry.keys) for entry in change.endpoints),
            tuple((entry.device, entry.fate.value, entry.endpoint, entry.keys) for entry in change.devices),
        )

    @property
    def exit_code(self) -> int:
        """That of a command: 0 done, 1 the old set runs on, 2 the set is wrong."""
        if self.outcome == "refused":
            return 2
        return 1 if self.outcome in ("restart", "busy", "waiting") else 0

    def value(self) -> dict[str, Any]:
        """As the API and `--json` have it."""
        return {
            "outcome": self.outcome,
            "text": {"zh": self.text_zh or self.text, "en": self.text},
            "restart": list(self.restart),
            "edge": list(self.edge),
            "endpoints": [
                {"url": url, "fate": fate, "keys": list(keys)} for url, fate, keys in self.endpoints
            ],
            "devices": [
                {"device": device, "fate": fate, "endpoint": url, "keys": list(keys)}
                for device, fate, url, keys in self.devices
            ],
        }


def refused(error: ConfigError) -> ReloadReport:
    return ReloadReport("refused", str(error))
