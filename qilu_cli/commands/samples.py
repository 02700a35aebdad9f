"""The samples that `qilu query` prints: of a time range or the latest, with units and the texts of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qilu.config.error_texts import nearest
from qilu.contract.accounting import COLLECTION
from qilu.contract.errors import ConfigError
from qilu.contract.reading import DeviceKey
from qilu.stores.interfaces import Reader, Sample
from qilu_cli.meaning import Meanings
from qilu_cli.store_access import Rows, warn
from qilu_cli.time_zones import Zone, moment

SAMPLE_COLUMNS = ("time", "edge", "device", "point", "value", "unit", "text", "quality")

Profiles = Mapping[DeviceKey, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Span:
    """start <= time < end, UTC in ms, and how a message names it."""

    start_ms: int
    end_ms: int
    words: str


@dataclass(frozen=True, slots=True)
class _Found:
    """One sample and whose it is."""

    key: DeviceKey
    profile: str
    point: str
    sample: Sample


@dataclass(slots=True)
class Sampling:
    """Asks for samples and makes rows of SAMPLE_COLUMNS of them, rising in time."""

    reader: Reader
    meanings: Meanings
    shown_in: Zone
    _unknown: set[str] = field(default_factory=set)

    async def latest(self, chosen: Profiles, points: Sequence[str]) -> Rows:
        """The newest sample of each point of each device, or of `points`, by device and point."""
        found = [
            _Found(key, profile, point, sample)
            for key, profiles in sorted(chosen.items())
            for profile in profiles
            for point, sample in sorted((await self.reader.latest(key, profile=profile)).items())
            if not points or point in points
        ]
        absent = [point for point in points if point not in {one.point for one in found}]
        if absent:
            await self._explain_absence(chosen, absent)
        return [self._row(one) for one in found]

    async def between(
        self, chosen: Profiles, points: Sequence[str], span: Span, every_ms: int | None
    ) -> Rows:
        """Every sample in the span, or one per interval; ConfigError for a point that no device has."""
        found: list[_Found] = []
        silent: list[str] = []
        for point in dict.fromkeys(points):
            some = await self._of_point(chosen, point, span, every_ms)
            found += some
            if not some:
                silent.append(point)
        if silent:
            last = max(one.last_ms for one in await self.reader.devices() if one.key in chosen)
            names = " and ".join(sorted({key.device for key in chosen}))
            warn(
                f"no values of {', '.join(silent)} {span.words}; "
                f"{names} was last heard at {moment(last, self.shown_in)}"
            )
        if self._unknown:
            warn(
                f"no description of profile {', '.join(sorted(self._unknown))}: codes of its points have "
                "no texts and are averaged by --every; name the folder of the profile with --profiles"
            )
        return [self._row(one) for one in sorted(found, key=lambda one: (one.sample.time_ms, one.key))]

    async def _of_point(self, chosen: Profiles, point: str, span: Span, every_ms: int | None) -> list[_Found]:
        found = await self._samples(chosen, point, span, every_ms)
        if found or not await self._is_absent(chosen, point):
            return found
        collecting = dict.fromkeys(chosen, (COLLECTION,))
        if await self._is_absent(collecting, point):
            await self._explain_absence(chosen, [point])
        return await self._samples(collecting, point, span, every_ms)

    async def _samples(self, chosen: Profiles, point: str, span: Span, every_ms: int | None) -> list[_Found]:
        found = []
        for key, profiles in sorted(chosen.items()):
            for profile in profiles:
                last = not self.meanings.is_quantity(profile, point)
                samples = await self.reader.samples(
                    key, point, span.start_ms, span.end_ms, every_ms, profile=profile, last=last
                )
                if samples and every_ms is not None and not self.meanings.knows(profile):
                    self._unknown.add(profile)
                found += [_Found(key, profile, point, sample) for sample in samples]
        return found

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
                meant = nearest(point, sorted(known))
                remedy = f"did you mean {meant}?" if meant else "see --points"
                raise ConfigError(f"{names} has no point {point}", key="--point", remedy=remedy)

    def _row(self, one: _Found) -> Sequence[object]:
        value, meanings = one.sample.value, self.meanings
        return (
            moment(one.sample.time_ms, self.shown_in),
            one.key.edge,
            one.key.device,
            one.point,
            meanings.value(one.profile, one.point, value),
            meanings.unit(one.profile, one.point),
            meanings.text(one.profile, one.point, value),
            _quality(one.sample),
        )


def _quality(sample: Sample) -> str:
    return "good" if sample.reason is None else f"{sample.reason.quality}: {sample.reason}"
