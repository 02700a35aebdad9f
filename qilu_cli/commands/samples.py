"""The samples that `qilu query` prints: of a time range or the latest, with units and the texts of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qilu.config.error_texts import did_you_mean
from qilu.contract.accounting import COLLECTION
from qilu.contract.errors import ConfigError
from qilu.contract.reading import DeviceKey
from qilu.stores.interfaces import Reader, Sample
from qilu_cli.point_meanings import Meanings
from qilu_cli.store_access import Rows, warn
from qilu_cli.time_zones import Zone, iso_time

SAMPLE_COLUMNS = ("time", "edge", "device", "point", "value", "unit", "text", "quality")

Profiles = Mapping[DeviceKey, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Span:
    """start <= time < end, UTC in ms, and how a message names it."""

    start_ms: int
    end_ms: int
    words: str


@dataclass(frozen=True, slots=True)
class _DeviceSample:
    key: DeviceKey
    profile: str
    point: str
    sample: Sample


@dataclass(slots=True)
class SampleQuery:
    """Asks for samples and makes rows of SAMPLE_COLUMNS of them, rising in time."""

    reader: Reader
    meanings: Meanings
    shown_in: Zone
    _unknown: set[str] = field(default_factory=set)

    async def latest(self, chosen: Profiles, points: Sequence[str]) -> Rows:
        """The newest sample of each point of each device, or of `points`, by device and point."""
        entries = [
            _DeviceSample(key, profile, point, sample)
            for key, profiles in sorted(chosen.items())
            for profile in profiles
            for point, sample in sorted((await self.reader.latest(key, profile=profile)).items())
            if not points or point in points
        ]
        absent = [point for point in points if point not in {entry.point for entry in entries}]
        if absent:
            await self._explain_absence(chosen, absent)
        return [self._row(entry) for entry in entries]

    async def between(
        self, chosen: Profiles, points: Sequence[str], span: Span, every_ms: int | None
    ) -> Rows:
        """Every sample in the span, or one per interval; ConfigError for a point that no device has."""
        entries: list[_DeviceSample] = []
        without_values: list[str] = []
        for point in dict.fromkeys(points):
            point_entries = await self._of_point(chosen, point, span, every_ms)
            entries += point_entries
            if not point_entries:
                without_values.append(point)
        if without_values:
            last = max(entry.last_ms for entry in await self.reader.devices() if entry.key in chosen)
            names = " and ".join(sorted({key.device for key in chosen}))
            warn(
                f"no values of {', '.join(without_values)} {span.words}; "
                f"{names} was last heard at {iso_time(last, self.shown_in)}"
            )
        if self._unknown:
            warn(
                f"no description of profile {', '.join(sorted(self._unknown))}: codes of its points have "
                "no texts and are averaged by --every; name the folder of the profile with --profiles"
            )
        return [
            self._row(entry) for entry in sorted(entries, key=lambda entry: (entry.sample.time_ms, entry.key))
        ]

    async def _of_point(
        self, chosen: Profiles, point: str, span: Span, every_ms: int | None
    ) -> list[_DeviceSample]:
        entries = await self._samples(chosen, point, span, every_ms)
        if entries or not await self._is_absent(chosen, point):
            return entries
        collecting = dict.fromkeys(chosen, (COLLECTION,))
        if await self._is_absent(collecting, point):
            await self._explain_absence(chosen, [point])
        return await self._samples(collecting, point, span, every_ms)

    async def _samples(
        self, chosen: Profiles, point: str, span: Span, every_ms: int | None
    ) -> list[_DeviceSample]:
        entries = []
        for key, profiles in sorted(chosen.items()):
            for profile in profiles:
                last = not self.meanings.is_quantity(profile, point)
                samples = await self.reader.samples(
                    key, point, span.start_ms, span.end_ms, every_ms, profile=profile, last=last
                )
                if samples and every_ms is not None and not self.meanings.knows(profile):
                    self._unknown.add(profile)
                entries += [_DeviceSample(key, profile, point, sample) for sample in samples]
        return entries

    async def _is_absent(self, chosen: Profiles, point: str) -> bool:
        for key, profiles in chosen.items():
            for profile in profiles:
                if point in await self.reader.points(key, profile=profile):
                    return False
        return True

    async def _explain_absence(self, chosen: Profiles, points: Sequence[str]) -> None:
        known: set[str] = set()
        for key, profiles in chosen.items():
            for profile in profiles:
                known.update(await self.reader.points(key, profile=profile))
        names = " and ".join(sorted({key.device for key in chosen}))
        for point in points:
            if point not in known:
                remedy = did_you_mean(point, sorted(known), "see --points")
                raise ConfigError(f"{names} has no point {point}", key="--point", remedy=remedy)

    def _row(self, entry: _DeviceSample) -> Sequence[object]:
        value, meanings = entry.sample.value, self.meanings
        return (
            iso_time(entry.sample.time_ms, self.shown_in),
            entry.key.edge,
            entry.key.device,
            entry.point,
            meanings.value(entry.profile, entry.point, value),
            meanings.unit(entry.profile, entry.point),
            meanings.text(entry.profile, entry.point, value),
            _quality(entry.sample),
        )


def _quality(sample: Sample) -> str:
    return "good" if sample.reason is None else f"{sample.reason.quality}: {sample.reason}"
