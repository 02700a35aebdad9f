"""What the cloud writes into a store beside the records of edges, so that dashboards and alert rules find it.

    ingester   device = the ingester    its counters and its queue, each 10 s (cloud/report.py)
    fleet      device = an edge         1 in `expected`: it should report, by the settings of an ingester;
                                        in the measurement of `gateway`, beside its reports
    audit      device = an edge         the result of `qilu audit --every`, in values

Readings of these profiles have the tags of any other. An edge cannot send them: its records are refused.
"""

from __future__ import annotations

from qilu.contract.accounting import AUDIT, FLEET, INGESTER
from qilu.contract.reading import BlockSchema, Origin

STATUS = "status"
INGESTER_POINTS = (
    "uptime_s",  # s since the start of this ingester
    "queue_records",  # records that wait for the store
    "lag_s",  # s since records wait without a pause; 0: none waits
    "records",  # records that the store took, since the start
    "values",  # values that the store took, since the start
    "rejected_records",  # records that no resend can make storable, since the start
    "deferred_records",  # records that their edge sends again later, since the start
    "lost_values",  # values left out of records that the store took in part, since the start
    "dropped_messages",  # messages that found no room here and are sent again, since the start
    "unconfirmed_records",  # records that are stored and not known to be durable
)
FLEET_POINTS = ("expected",)
AUDIT_POINTS = (
    "span_s",  # s of the time that was audited
    "devices",
    "incomplete_devices",  # of these, with values that are missing without a cause, or too many
    "not_known_devices",  # of these, of which nothing can be said with certainty
    "expected_values",
    "good_values",
    "uncertain_values",
    "bad_values",
    "missing_values",
    "unexplained_values",  # of the missing ones, those without a cause
    "surplus_values",  # values that the store has and no account lists
    "duplicates",  # values that are stored under two times
)
COMPARISON_POINTS = (
    "version_differs",  # 1: the edge has another version than most edges
    "settings_differ",  # 1: the edge has other settings than most edges
)
"""Only where the store has texts; in PromQL the query compares."""


def ingester_columns(ingester: str) -> BlockSchema:
    return BlockSchema(Origin(ingester, ingester, INGESTER), STATUS, INGESTER_POINTS)


def fleet_columns(edge: str) -> BlockSchema:
    """Of the readings that say that an edge should report."""
    return BlockSchema(Origin(edge, edge, FLEET), "expected", FLEET_POINTS)


def audit_columns(edge: str) -> BlockSchema:
    return BlockSchema(Origin(edge, edge, AUDIT), "result", AUDIT_POINTS)


def comparison_columns(edge: str) -> BlockSchema:
    """Of the readings that compare an edge with the others."""
    return BlockSchema(Origin(edge, edge, AUDIT), "comparison", COMPARISON_POINTS)
