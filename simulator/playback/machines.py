"""Machines that show a recording; points that it does not have move by their signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qilu.contract.profile import DeviceProfile
from simulator.physics.machine import Fleet, Machines, Surroundings, Values
from simulator.playback.recording import Recording
from simulator.playback.settings import PlaybackSettings
from simulator.signals.machines import SignalMachines
from simulator.signals.settings import AnySignal


class PlaybackMachines(Machines):
    """All machines of one entry of the plant's file: each shows the same row of the recording."""

    def __init__(
        self,
        fleet: Fleet,
        profile: DeviceProfile,
        own: Mapping[str, AnySignal],
        seed: int,
        recording: Recording,
        settings: PlaybackSettings,
    ) -> None:
        self._signals = SignalMachines(fleet, profile, own, seed)
        self._n = fleet.n
        self.severity = fleet.healthy(self.faults)
        self.recording = recording
        self.settings = settings
        self.position = -1.0  # s of the recording; under 0 before the first step
        self.paused = False
        self.setpoints = {
            name: values for name, values in self._signals.setpoints.items() if name not in recording.points
        }

    @property
    def ended(self) -> bool:
        """Whether the last row is shown for good."""
        return not self.settings.loop and self.position >= float(self.recording.seconds[-1])

    def seek(self, position: float) -> None:
        """The recording goes on from here; seconds, in a loop of any size."""
        duration = self.recording.duration
        self.position = position % duration if self.settings.loop else min(max(position, 0.0), duration)

    def step(self, dt: float, surroundings: Surroundings) -> None:
        self._signals.step(dt, surroundings)
        if self.position < 0.0:
            self.position = 0.0  # the first step shows the first row
        elif not self.paused:
            self.seek(self.position + dt * self.settings.speed)

    def values(self) -> Values:
        row = self.recording.row(self.position)
        recorded: dict[str, NDArray[Any]] = {
            name: np.full(self._n, values[row]) for name, values in self.recording.points.items()
        }
        return {**self._signals.values(), **recorded}
