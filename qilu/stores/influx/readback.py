"""Reads samples back from VictoriaMetrics by their series and times, to see which of them it has not kept."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import msgspec

from qilu.contract.errors import UnreachableError
from qilu.contract.reading import BlockSchema
from qilu.contract.record_codec import MALFORMED
from qilu.contract.store_names import metric_name
from qilu.stores.influx.http import Http, Reply, TooLongResponseError
from qilu.stores.influx.line_protocol import POINT, QUALITY, TAGS

_MAX_SERIES = 2000  # of one question; its answer stays below a few MB
_MAX_NAMES = 100  # that are listed; beyond that all names of the device are asked for
_SPAN_MS = 60_000  # of the samples of one question
_WIDER = 0.01  # seconds on both sides: the server computes with floating seconds


class Series(NamedTuple):
    """What identifies a series in VictoriaMetrics; the tags in the order of _LABELS, None where not given."""

    name: str
    tags: tuple[str | None, ...]


class _ExportedSeries(msgspec.Struct):
    metric: dict[str, str]
    timestamps: list[int]


_decode = msgspec.json.Decoder(_ExportedSeries).decode
_LABELS = (*TAGS, POINT)
_EDGE, _DEVICE, _PROFILE = TAGS.index("edge"), TAGS.index("device"), TAGS.index("profile")


def series_of(columns: BlockSchema, numbers: int, reasons: int) -> Iterator[Series]:
    """The series of these points of `columns`: of their numbers, and of their reasons (a bit for each)."""
    origin = columns.origin
    tags = tuple(getattr(origin, tag) or None for tag in TAGS)
    for mask, suffix in ((numbers, ""), (reasons, QUALITY)):
        for index in set_bits(mask):
            point = columns.points[index]
            yield Series(f"{metric_name(origin.profile, point)}{suffix}", (*tags, point))


def set_bits(mask: int) -> Iterator[int]:
    """The indexes of the bits that are set, rising."""
    digits = bin(mask)[:1:-1]
    index = digits.find("1")
    while index >= 0:
        yield index
        index = digits.find("1", index + 1)


async def missing(http: Http, url: str, wanted: Mapping[Series, frozenset[int]]) -> dict[Series, set[int]]:
    """Those of the times (ms) in `wanted` that the server does not have; UnreachableError.

    Series of one reading share one object of times: what is computed of it is computed once.
    """
    existing: dict[Series, set[int]] = {}
    for part in _parts(wanted):
        await _ask(http, url, part, existing)
    return {
        series: lost for series, times in wanted.items() if (lost := set(times - existing.get(series, set())))
    }


_Part = dict[Series, tuple[int, int]]
"""The first and the last time that are asked for of each series."""


def _parts(wanted: Mapping[Series, frozenset[int]]) -> Iterator[_Part]:
    """In parts that one question can ask for."""
    by_span: defaultdict[int, _Part] = defaultdict(dict)
    spans_of: dict[frozenset[int], dict[int, tuple[int, int]]] = {}
    for series, times in wanted.items():
        if times not in spans_of:
            spans_of[times] = _spans(times)
        for span, limits in spans_of[times].items():
            by_span[span][series] = limits
    for spans in by_span.values():
        rest = iter(spans.items())
        while part := dict(islice(rest, _MAX_SERIES)):
            yield part


def _spans(times: Iterable[int]) -> dict[int, tuple[int, int]]:
    """The first and the last of the times within each span of _SPAN_MS."""
    spans: dict[int, tuple[int, int]] = {}
    for time in times:
        low, high = spans.get(time // _SPAN_MS, (time, time))
        spans[time // _SPAN_MS] = min(low, time), max(high, time)
    return spans


async def _ask(http: Http, url: str, part: _Part, existing: dict[Series, set[int]]) -> None:
    form = {
        "match[]": _selector(part),
        "start": f"{max(min(low for low, _ in part.values()) / 1000 - _WIDER, 0):.3f}",
        "end": f"{max(high for _, high in part.values()) / 1000 + _WIDER:.3f}",
    }
    try:
        reply = await http.ask("POST", "/api/v1/export", form=form)
    except TooLongResponseError:
        if len(part) == 1:
            raise
        await _ask_halves(http, url, part, existing)
        return
    if _refused(reply) and len(part) > 1:  # perhaps one name that the server cannot take costs its neighbours
        await _ask_halves(http, url, part, existing)
    elif not reply.ok and not _refused(reply):
        raise reply.unreachable(url)
    elif reply.ok:
        for exported in _lines(reply, url):
            labels = exported.metric
            series = Series(labels.get("__name__", ""), tuple(map(labels.get, _LABELS)))
            existing.setdefault(series, set()).update(exported.timestamps)


async def _ask_halves(http: Http, url: str, part: _Part, existing: dict[Series, set[int]]) -> None:
    rest = iter(part.items())
    while half := dict(islice(rest, (len(part) + 1) // 2)):
        await _ask(http, url, half, existing)


def _lines(reply: Reply, url: str) -> list[_ExportedSeries]:
    try:
        return [_decode(line) for line in reply.body.splitlines()]
    except MALFORMED as error:
        raise UnreachableError(f"{url} exported something else than samples: {error}") from error


def _refused(reply: Reply) -> bool:
    return reply.status in (400, 422)


def _selector(series: Iterable[Series]) -> str:
    """A selector that finds all of `series`, and as few others as a short one can."""
    by_label: defaultdict[str, set[str]] = defaultdict(set)
    for name, tags in series:
        by_label["__name__"].add(name)
        by_label["edge"].add(tags[_EDGE] or "")
        by_label["device"].add(tags[_DEVICE] or "")
        by_label["profile"].add(tags[_PROFILE] or "")
    if len(by_label["__name__"]) > _MAX_NAMES:
        del by_label["__name__"]
    labels = {label: any_of(values) for label, values in by_label.items()}
    return "{" + ", ".join(f"{label}=~{quoted(pattern)}" for label, pattern in labels.items()) + "}"


def any_of(texts: Iterable[str]) -> str:
    """A regular expression that matches each of these texts and nothing else."""
    return "|".join(re.escape(text) for text in sorted(texts))


def quoted(text: str) -> str:
    """A text as a selector of labels spells it."""
    return msgspec.json.encode(text).decode()
