"""The stop-watch goes on whatever becomes of the records that it began with."""

from gateway.delivery.latency import Latency
from gateway.interfaces import Record
from qilu.contract.ranges import IntervalSet


def test_records_that_never_become_durable_do_not_stop_the_measuring_of_others() -> None:
    latency = Latency(watched=10)
    for offset in range(25):  # the spool gives them up, or the store rejects them: nobody tells
        latency.appended(Record(1, offset, b"{}"), now=0.0)
    latency.appended(Record(1, 25, b"{}"), now=7.0)
    latency.durable(1, IntervalSet.of([25]), now=9.0)
    assert latency.quantiles(0.5) == [2.0]
