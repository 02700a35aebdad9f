"""Points that the server keeps with another type: what is refused, and what that costs."""

from qilu.contract.reading import Columns, Origin, Poll, Reading
from qilu.stores.influx.influxql_reader import InfluxqlReader
from qilu.stores.influx.writer import InfluxStore
from tests.servers import Influxdb1
from tests.stores.influx import COLUMNS, DAY, NOW, influxdb, poll


async def test_a_point_that_is_a_text_to_influxdb_costs_only_its_polls(influxdb1: Influxdb1) -> None:
    influxdb1.write(f'press,device=press-1 strange="text" {NOW}')
    strange = Columns(COLUMNS.origin, "fast", ("strange",))
    settings = influxdb(influxdb1)
    async with InfluxStore(settings) as store, InfluxqlReader(settings) as reader:
        polls = [poll(NOW + i, float(i), strange if i in (3, 11, 12) else COLUMNS) for i in range(20)]
        refused = await store.write(polls)
        assert sorted(refused) == [3, 11, 12]
        assert "field type conflict" in refused[3].text
        assert len(await reader.samples(COLUMNS.origin.key, "force", NOW, NOW + 20)) == 17


def requests(server: Influxdb1) -> int:
    """How many writes the server has been asked for."""
    (counts,) = server.query("SHOW STATS FOR 'httpd'")
    return int(counts["values"][0][counts["columns"].index("writeReq")])


async def test_a_profile_that_is_refused_as_a_whole_costs_no_request_for_each_poll(
    influxdb1: Influxdb1,
) -> None:
    influxdb1.write(f'press,device=a strange="text" {NOW}')
    influxdb1.write(f'p\\ \\,q,device=a s\\ \\,\\="x="text" {NOW}')
    strange = Columns(COLUMNS.origin, "fast", ("force", "strange"))
    second = Columns(Origin("edge-1", "drive-1", "p ,q"), "fast", ('s ,="x',))
    polls = [
        Poll(NOW + i, tuple(Reading(one, NOW + i, (1.0,) * len(one.points)) for one in columns))
        for i in range(100)
        for columns in ((COLUMNS,), (COLUMNS, strange), (second,))
    ]
    settings = influxdb(influxdb1)
    async with InfluxStore(settings) as store, InfluxqlReader(settings) as reader:
        before = requests(influxdb1)
        refused = await store.write(polls)
        assert sorted(refused) == [index for index in range(300) if index % 3]
        assert '"strange" on measurement "press"' in refused[1].text
        assert '"s ,="x" on measurement "p ,q"' in refused[2].text
        # The batch, what has the first field, the others, what has the second, the rest.
        assert requests(influxdb1) == before + 5
        assert len(await reader.samples(COLUMNS.origin.key, "force", NOW, NOW + 100)) == 100


async def test_a_point_is_stored_again_as_soon_as_influxdb_has_no_text_of_its_name(
    influxdb1: Influxdb1,
) -> None:
    influxdb1.write(f'press,device=press-1 force="text" {NOW}')
    polls = [poll(NOW + i, float(i)) for i in range(20)]
    async with InfluxStore(influxdb(influxdb1)) as store:
        assert len(await store.write(polls)) == 20
        influxdb1.query("DROP MEASUREMENT press")
        assert await store.write(polls) == {}


async def test_only_the_weeks_in_which_a_point_is_a_text_to_influxdb_refuse_it(influxdb1: Influxdb1) -> None:
    influxdb1.write(f'press,device=press-1 force="text" {NOW - 30 * DAY}')
    weeks = [NOW - 30 * DAY, NOW]
    polls = [poll(weeks[i % 2] + 1 + i, float(i)) for i in range(20)]
    settings = influxdb(influxdb1)
    async with InfluxStore(settings) as store, InfluxqlReader(settings) as reader:
        assert sorted(await store.write(polls)) == list(range(0, 20, 2))
        assert len(await reader.samples(COLUMNS.origin.key, "force", NOW, NOW + 100)) == 10
