"""The text format of Prometheus, version 0.0.4: pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

Labels = Mapping[str, str]


class Metric(NamedTuple):
    """One metric with its samples; the name of a counter ends in `_total`."""

    name: str
    kind: Literal["counter", "gauge"]
    help_text: str
    samples: Sequence[tuple[Labels, float]]


def exposition(metrics: Iterable[Metric]) -> bytes:
    """The metrics as a scraper reads them; a metric without a sample is left out."""
    lines: list[str] = []
    for metric in metrics:
        if not metric.samples:
            continue
        if not _NAME.fullmatch(metric.name) or (metric.kind == "counter") != metric.name.endswith("_total"):
            raise ValueError(f"{metric.name} is no name of a {metric.kind}")
        text = metric.help_text.replace("\\", r"\\").replace("\n", r"\n")
        lines += [f"# HELP {metric.name} {text}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [f"{metric.name}{_labels(labels)} {_number(value)}" for labels, value in metric.samples]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items()) + "}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))
