"""Panels of ingesters, from the metrics that Prometheus scrapes: only stores of metrics have these."""

from __future__ import annotations

from collections.abc import Iterator

from cloud.grafana.board import Selection
from cloud.grafana.panels import Panel
from cloud.grafana.queries import Json
from qilu.contract.profile.point import Label

_BY = "sum by (instance)"
"""Of the scraped series: what an ingester reports of itself has no instance."""
_PANELS: tuple[tuple[str, str, Label, Label], ...] = (
    (f"{_BY} (rate(qilu_ingester_values_total[$__rate_interval]))", "cps",
     Label(zh="入库速率", en="Values stored per second"),
     Label(zh="各入库服务每秒写入存储的值数。", en="Values per second that the store took, by ingester.")),
    (f'{_BY} (qilu_ingester_queue_records{{instance!=""}})', "none",
     Label(zh="入库队列", en="Queue of the ingester"),
     Label(zh="等待写入存储的记录数。", en="Records that wait for the store.")),
    ((f"{_BY} (rate(qilu_ingester_write_seconds_total[$__rate_interval]))"
      f" / ({_BY} (rate(qilu_ingester_writes_total[$__rate_interval])) > 0)"), "s",
     Label(zh="每次写入用时", en="Time of one write"),
     Label(zh="写入用时 / 写入次数，秒。", en="Seconds in writes / number of writes.")),
    ((f"{_BY} (rate(qilu_ingester_deferred_records_total[$__rate_interval]))"
      f" + {_BY} (rate(qilu_ingester_rejected_records_total[$__rate_interval]))"), "cps",
     Label(zh="暂缓和拒收", en="Deferred and rejected records per second"),
     Label(zh="每秒暂缓或拒收的记录数。", en="Records per second that were deferred or rejected.")),
)  # fmt: skip
"""Query, unit, title, description."""


def ingesters(chosen: Selection) -> Iterator[Panel]:
    """None where the store has no metrics of ingesters."""
    if chosen.queries.source != "prometheus":
        return
    for query, unit, title, about in _PANELS:
        target: Json = {
            "expr": query, "legendFormat": "{{instance}}", "format": "time_series", "instant": False,
            "range": True, "editorMode": "code",
        }  # fmt: skip
        yield chosen.lines(title.text(chosen.language), about.text(chosen.language), target, unit, min=0)
