"""The metrics of a gateway for Prometheus: conventional names with units, per device within a bound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal

from gateway.console.states import DeviceState
from gateway.console.watch import GroupWatch
from gateway.diagnosis.sentence import sentence
from gateway.diagnosis.view import GatewayView
from qilu.contract.reading import Reason, TimeTrust
from qilu.web.exposition import Metric

MAX_DEVICES = 1000
"""Devices with series of their own: about ten each; those beyond it are counted in one series."""


def gateway_metrics(view: GatewayView, status: Mapping[str, float], version: str) -> Iterator[Metric]:
    """About the gateway as a whole. `status`: the points of `gateway.health`."""
    spool, result = view.spool, sentence(view)
    yield Metric("qilu_gateway_info", "gauge", "Always 1; edge and version.", [
        ({"edge": view.edge, "version": version}, 1)
    ])  # fmt: skip
    for name, text, value in (
        ("start_time_seconds", "Start of the process, in seconds since 1970.", view.started_ms / 1000),
        ("cause_code", "Number of the worst cause, 0: all is well; see docs/console.md.",
         result.worst.code.number),
        ("causes", "Causes that the sentence names.", result.problems),
        ("devices", "Devices that this gateway collects from.", len(view.devices)),
        ("devices_offline", "Devices that do not reply.", status["offline_devices"]),
        ("clock_known", "1 while the time is known.", float(view.clock is TimeTrust.KNOWN)),
        ("broker_connected", "1 while the broker is connected.", float(view.broker.connected)),
        ("spool_records", "Records that are not durable yet.", spool.records),
        ("spool_bytes", "Size of the spool on disk.", spool.size_bytes),
        ("spool_max_bytes", "Upper bound of the size of the spool.", spool.max_bytes),
        ("spool_blocked", "1 while the spool takes no records.", float(spool.blocked is not None)),
        ("spool_oldest_record_age_seconds", "Age of the oldest kept record.", spool.oldest_age_s),
        ("records_held", "Records of another edge, which are not sent.", spool.held),
        ("records_quarantined", "Records set aside, because a store rejected them.", spool.quarantined),
        ("records_deferred", "Records that a store deferred.", status["deferred_records"]),
        ("records_in_flight", "Records sent and not acknowledged.", status["in_flight_records"]),
        ("last_durable_timestamp_seconds", "When a record became durable last.", view.last_durable_ms / 1000),
    ):  # fmt: skip
        yield Metric(f"qilu_gateway_{name}", "gauge", text, [({}, value)])
    if spool.hours_left is not None:
        yield Metric("qilu_gateway_spool_time_left_seconds", "gauge",
                     "Time until a bound of the spool at the present rate, if nothing is delivered.",
                     [({}, spool.hours_left * 3600)])  # fmt: skip
    if view.durable_delay_s is not None:
        yield Metric("qilu_gateway_durable_delay_seconds", "gauge",
                     "Median time of recent records from the poll until they were durable.",
                     [({}, view.durable_delay_s)])  # fmt: skip
    yield from _counters(status)


def _counters(status: Mapping[str, float]) -> Iterator[Metric]:
    for name, point, text in (
        ("polls", "polls", "Polls."),
        ("values", "points", "Values, good or not."),
        ("values_not_good", "bad_points", "Values that are not good."),
        ("values_suppressed", "suppressed_points", "Values that a processor left out."),
        ("polls_skipped", "skipped_polls", "Polls skipped because the one before was not over."),
        ("timeouts", "timeouts", "Requests without a reply in time."),
        ("reconnects", "reconnects", "Connections to equipment that were made again."),
        ("records_durable", "durable_records", "Records that a trusted store has durably."),
        ("records_rejected", "rejected_records", "Records that a store rejected."),
        ("records_resent", "resent_records", "Records sent more than once."),
        ("records_dropped", "dropped_records", "Records dropped at a bound of the spool."),
        ("records_blocked", "blocked_records", "Records that waited for room in the spool."),
        ("quarantine_dropped", "quarantine_dropped_records", "Records dropped from the quarantine."),
        ("broker_disconnects", "broker_disconnects", "Connections to the broker that were lost."),
        ("unsigned_acks", "unsigned_acks", "Acknowledgements without a valid signature."),
        ("discarded_messages", "discarded_messages", "Messages of the broker without room here."),
    ):
        yield Metric(
            f"qilu_gateway_{name}_total", "counter", f"{text} Since the start.", [({}, status[point])]
        )


def device_metrics(
    states: Mapping[str, DeviceState],
    watched: Mapping[str, Mapping[str, GroupWatch]],
    round_trips_s: Mapping[str, float],
) -> Iterator[Metric]:
    """About each of the first MAX_DEVICES devices."""
    shown = dict(list(states.items())[:MAX_DEVICES])
    groups = {name: watched.get(name, {}).values() for name in shown}
    errors: dict[str, Counter[Reason]] = {name: Counter() for name in shown}
    for name, known in groups.items():
        for group in known:
            errors[name].update(group.errors)
    yield Metric(
        "qilu_devices_without_series", "gauge", "Devices beyond the bound of series.",
        [({}, len(states) - len(shown))],
    )  # fmt: skip
    for name, text, values in (
        (
            *("qilu_device_up", "1 while the device replies."),
            {name: float(state.view.online is True) for name, state in shown.items()},
        ),
        (
            *("qilu_device_last_reading_timestamp_seconds", "When it last had a usable value."),
            {name: state.time_ms / 1000 for name, state in shown.items()},
        ),
        (
            *("qilu_device_round_trip_seconds", "From request to reply, a running mean."),
            {name: seconds for name, seconds in round_trips_s.items() if name in shown},
        ),
        (
            *("qilu_device_polls_total", "Polls since the start."),
            {name: sum(group.polls for group in known) for name, known in groups.items()},
        ),
        (
            *("qilu_device_polls_skipped_total", "Skipped polls since the start."),
            {name: sum(group.skipped for group in known) for name, known in groups.items()},
        ),
    ):
        kind: Literal["counter", "gauge"] = "counter" if name.endswith("_total") else "gauge"
        yield Metric(name, kind, text, [({"device": device}, value) for device, value in values.items()])
    not_good = [
        ({"device": name, "reason": reason.value}, count)
        for name, reasons in errors.items()
        for reason, count in reasons.items()
    ]
    text = "Values that were not good, by reason."
    yield Metric("qilu_device_values_not_good_total", "counter", text, not_good)
