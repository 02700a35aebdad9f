"""What an edge reports of each point: unit, labels, normal range, texts of codes, period.

The built-in profile `point-info` carries it, as readings of the described device like any other: at each
start of the gateway, when the clock was set, and once a day. A point of such a reading is the described one,
and its value the JSON text of a `PointInfo`. Stores keep it beside the values, so that a query, a dashboard
or a notebook needs no profile file; of two versions the newer one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from qilu.contract.accounting import POINT_INFO
from qilu.contract.ack_codes import AckCode, Refusal, RefusalError
from qilu.contract.limits import MAX_TEXT
from qilu.contract.profile.model import ProfileFile
from qilu.contract.profile.point import Label, Point
from qilu.contract.reading import BlockSchema, Origin, Reading

GROUP = "point_info"
MAX_POINTS_EACH = 100
"""Points that one reading describes: its record stays far below the largest message."""
_MAX_CODES = 1_000
"""Characters of the texts of codes in one language; a longer list is left to the profile."""


class PointInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """One point of one device, as its profile and the settings describe it."""

    profile: str
    unit: str = ""
    label_en: str = ""
    label_zh: str = ""
    device_label_en: str = ""
    device_label_zh: str = ""
    place: str = ""
    kind: str = "gauge"
    poll_group: str = ""
    period_s: float = 0.0
    normal_min: float | None = None
    normal_max: float | None = None
    codes_en: str = ""
    """The texts of its codes: `0=off; 1=idle`."""
    codes_zh: str = ""

    def labels(self) -> dict[str, str]:
        """Every field that is not empty, as a text: the labels of a series, the columns of a row."""
        fields = {field: getattr(self, field) for field in self.__struct_fields__}
        return {
            field: f"{value:g}" if isinstance(value, float) else value
            for field, value in fields.items()
            if value is not None and value != ""
        }


FIELDS = PointInfo.__struct_fields__
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(PointInfo).decode


def described(
    profile: ProfileFile, device_label: Label, place: str, periods: Mapping[str, float]
) -> Iterator[tuple[str, PointInfo]]:
    """Name and description of each point that is read; `periods`: poll group -> seconds."""
    for point in profile.points:
        if point.readable:
            yield point.name, _info(profile.profile, point, device_label, place, periods[point.group])


def rows(
    origin: Origin, infos: Iterable[tuple[str, PointInfo]]
) -> Iterator[tuple[BlockSchema, tuple[str, ...]]]:
    """Columns and values of the readings that describe these points of a device."""
    own = Origin(origin.edge, origin.device, POINT_INFO, origin.enterprise, origin.site, origin.line)
    every = list(infos)
    for start in range(0, len(every), MAX_POINTS_EACH):
        part = every[start : start + MAX_POINTS_EACH]
        columns = BlockSchema(own, GROUP, tuple(name for name, _ in part))
        yield columns, tuple(_encode(info).decode() for _, info in part)


def infos_of(reading: Reading) -> list[tuple[str, PointInfo]]:
    """Point and description of each value of a reading of `point-info`; RefusalError where one is none."""
    infos = []
    for point, value in zip(reading.columns.points, reading.values, strict=True):
        try:
            info = _decode(value if isinstance(value, str) else "")
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            text = f"the description of the point {point[:40]!r} cannot be read"
            raise RefusalError(Refusal(AckCode.MALFORMED, text)) from error
        _check(point, info)
        infos.append((point, info))
    return infos


def _check(point: str, info: PointInfo) -> None:
    for name, text in info.labels().items():
        if len(text) > MAX_TEXT or any(character < " " or character == "\x7f" for character in text):
            problem = f"the description of {point[:40]!r}: its {name} is too long or has a control character"
            raise RefusalError(Refusal(AckCode.BAD_VALUE, problem))


def _info(profile: str, point: Point, device: Label, place: str, period_s: float) -> PointInfo:
    normal = point.normal
    return PointInfo(
        profile=profile,
        unit=point.unit,
        label_en=point.label.en,
        label_zh=point.label.zh,
        device_label_en=device.en,
        device_label_zh=device.zh,
        place=place,
        kind=point.kind,
        poll_group=point.group,
        period_s=period_s,
        normal_min=None if normal is None else normal.min,
        normal_max=None if normal is None else normal.max,
        codes_en=_codes(point, "en"),
        codes_zh=_codes(point, "zh"),
    )


_CODE = re.compile(r"(-?\d+)=(.*?)(?=; -?\d+=|$)", re.DOTALL)


def texts_of_codes(codes: str) -> dict[int, str]:
    """Code -> text, of `codes_en` or `codes_zh`; what cannot be read is left out."""
    return {int(code): text for code, text in _CODE.findall(codes)}


def _codes(point: Point, language: str) -> str:
    texts = (label.zh or label.en if language == "zh" else str(label) for label in point.enum.values())
    text = "; ".join(f"{code}={label}" for code, label in zip(point.enum, texts, strict=True))
    return text if len(text) <= _MAX_CODES else ""
