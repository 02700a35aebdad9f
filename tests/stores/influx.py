"""What the tests of servers of line protocol share."""

import time

from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.stores.settings import InfluxSettings
from tests.servers import Influxdb1, VictoriaMetrics

NOW = round(time.time() * 1000)
DAY = 86_400_000
COLUMNS = BlockSchema(Origin("edge-1", "press-1", "press"), "fast", ("force",))


def poll(time_ms: int, value: float, columns: BlockSchema = COLUMNS) -> Poll:
    return Poll(time_ms, (Reading(columns, time_ms, (value,)),))


def metrics(server: VictoriaMetrics) -> InfluxSettings:
    return InfluxSettings(type="influx", server="victoriametrics", url=server.url)


def influxdb(server: Influxdb1, database: str = "qilu") -> InfluxSettings:
    return InfluxSettings(type="influx", server="influxdb1", url=server.url, database=database)
