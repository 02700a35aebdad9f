"""How a simulated device is reached, by the plant's settings: serial line, latency, identity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import StringConstraints, model_validator

from qilu.contract.units import Duration
from qilu.contract.validation import FrozenModel, Problem, raise_problems

Framing = Literal["tcp", "rtu"]
Baudrate = Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200]
Text = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[ -~]+$")]
"""A text of the identity: printable ASCII, short enough for one response."""


class SerialSettings(FrozenModel):
    """A serial line on which devices speak RTU: a real one, or a pseudo terminal that is made."""

    device: Path | None = None
    """A port of this machine, such as /dev/ttyUSB0."""
    pty: Path | None = None
    """Where a link to the client's end of a new pseudo terminal is put, such as /tmp/bus-1. Speed and parity
    mean nothing there; clients open it without parity, which Linux would refuse to set.
    """
    baudrate: Baudrate = 9600
    """Bits per second."""
    parity: Literal["even", "odd", "none"] = "even"
    """The parity bit of each byte."""

    @property
    def path(self) -> Path:
        """What a client opens."""
        path = self.device or self.pty
        assert path is not None
        return path

    @model_validator(mode="after")
    def _check(self) -> SerialSettings:
        if (self.device is None) == (self.pty is None):
            remedy = "write device: /dev/ttyUSB0 for a port of this machine, or pty: bus-1 for a made one"
            raise_problems([Problem((), "either a device or a pty is needed, and not both", remedy)])
        return self


class LatencySettings(FrozenModel):
    """How long a device takes before it carries a request out."""

    mean: Duration
    """How long in the middle."""
    jitter: Duration = 0.0
    """Up to so much more or less."""

    @model_validator(mode="after")
    def _check(self) -> LatencySettings:
        if self.jitter > self.mean:
            raise_problems(
                [Problem(("jitter",), "is larger than the mean", "no reply comes before its request")]
            )
        return self


class IdentitySettings(FrozenModel):
    """The objects of function 43/14 that differ from those of the plant."""

    vendor: Text | None = None
    """Object 0, VendorName."""
    product_code: Text | None = None
    """Object 1, ProductCode."""
    revision: Text | None = None
    """Object 2, MajorMinorRevision."""
    url: Text | None = None
    """Object 3, VendorUrl."""
    product: Text | None = None
    """Object 4, ProductName."""
    model: Text | None = None
    """Object 5, ModelName."""
    application: Text | None = None
    """Object 6, UserApplicationName."""

    def objects(self) -> dict[int, bytes]:
        """What was set, by object id."""
        texts = [getattr(self, name) for name in type(self).model_fields]
        return {number: text.encode() for number, text in enumerate(texts) if text is not None}
