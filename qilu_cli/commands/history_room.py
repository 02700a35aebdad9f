"""What `qilu check` prints of the local history: how long each kind really fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.history.polled_groups import polled_groups
from gateway.history.room import HistoryRoom, estimate, room_of
from gateway.history.settings import DAY_S
from gateway.settings import GatewaySettings
from qilu.contract.profile import DeviceProfile
from qilu.contract.units import format_bytes, format_duration

_TEXTS = {"raw": "single readings", "minutes": "minutes", "quarters": "15 minutes"}


def history_room(settings: GatewaySettings, profiles: Mapping[str, DeviceProfile]) -> Iterator[str]:
    """A line for each kind, and one where not all fits; nothing where the settings have no history."""
    if settings.history is None:
        return
    groups = {group for points in polled_groups(settings, profiles).values() for group in points.values()}
    room = room_of(settings.history, estimate(groups))
    size = f"about {_size(room.bytes)} of {format_bytes(room.max_bytes)} when full"
    yield f"history in {settings.history_folder}: {size}"
    yield from _kinds(room)


def _kinds(room: HistoryRoom) -> Iterator[str]:
    for kind in room.kinds:
        short = kind.fits_s < kind.asked_s
        fits = f"{_days(kind.fits_s)} fit of {_days(kind.asked_s)}" if short else _days(kind.asked_s)
        yield f"  {_TEXTS[kind.kind]}: {fits}, about {_size(kind.bytes_per_day)} a day"
    if not room.fits:
        yield "  warning: history.max_bytes is reached before the ages; give it more, or shorten the ages"


def _days(seconds: float) -> str:
    return f"{seconds / DAY_S:.3g} d" if seconds >= DAY_S else format_duration(round(seconds / 60) * 60)


def _size(size: float) -> str:
    return format_bytes(int(float(f"{size:.2g}")))
