"""The metrics of an ingester in the names of Prometheus; pure."""

from __future__ import annotations

from collections.abc import Sequence

from cloud.observation import IngesterView
from qilu.web.exposition import Metric

_COUNTERS: Sequence[tuple[str, str, str]] = (
    ("messages", "qilu_ingester_messages_total", "Messages that came from brokers."),
    ("records", "qilu_ingester_records_total", "Records that the store took."),
    ("points", "qilu_ingester_values_total", "Values that the store took."),
    ("rejected", "qilu_ingester_rejected_records_total", "Records that no resend can make storable."),
    ("deferred", "qilu_ingester_deferred_records_total", "Records that their edge sends again later."),
    ("not_owner", "qilu_ingester_not_owner_records_total", "Deferred records of devices of another edge."),
    ("lost_values", "qilu_ingester_lost_values_total", "Values left out of records stored in part."),
    ("unknown_versions", "qilu_ingester_unknown_versions_total", "Messages left for a newer ingester."),
    ("foreign", "qilu_ingester_foreign_messages_total", "Messages on our topics that are none of ours."),
    ("overflow", "qilu_ingester_overflow_messages_total", "Messages without room; edges send them again."),
    ("discarded", "qilu_ingester_discarded_messages_total", "Messages that the link had no room for."),
    ("batches", "qilu_ingester_writes_total", "Writes that the store took, or partly took."),
    ("write_seconds", "qilu_ingester_write_seconds_total", "Seconds spent in these writes."),
)
"""Field of the tally, name, help text."""


def ingester_metrics(view: IngesterView, version: str, started_ms: int) -> Sequence[Metric]:
    """All of them; the number of series depends on the number of brokers alone."""
    info = {"version": version, "ingester": view.ingester, "store": view.store}
    counters = [
        Metric(name, "counter", text, [({}, float(getattr(view.tally, field)))])
        for field, name, text in _COUNTERS
    ]
    links = [({"broker": broker}, float(since > 0)) for broker, since in view.links.items()]
    gauges = [
        Metric("qilu_build_info", "gauge", "Version and names of this process.", [(info, 1.0)]),
        _gauge("qilu_ingester_start_time_seconds", "Start of the process, UTC.", started_ms / 1000),
        _gauge("qilu_ingester_ready", "1 while records come in and go into the store.", float(view.ready)),
        _gauge("qilu_ingester_store_up", "1 while the store takes records.", float(not view.store_error)),
        Metric("qilu_ingester_broker_up", "gauge", "1 while there is a link to the broker.", links),
        _gauge("qilu_ingester_queue_records", "Records that wait for the store.", view.queued_records),
        _gauge("qilu_ingester_queue_bytes", "Bytes of messages that wait for the store.", view.queued_bytes),
        _gauge(
            "qilu_ingester_unconfirmed_records",
            "Records stored and not yet durable.",
            view.unconfirmed_records,
        ),
    ]
    return [*gauges, *counters]


def _gauge(name: str, text: str, value: float) -> Metric:
    return Metric(name, "gauge", text, [({}, float(value))])
