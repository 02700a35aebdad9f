"""Points that the server keeps with another type: what is refused, and what that costs."""

from qilu.contract.ack_codes import AckCode
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason
from qilu.stores.influx.influxql_reader import InfluxqlReader
from qilu.stores.influx.writer import InfluxStore
from tests.servers import Influxdb1
from tests.stores.influx import COLUMNS, DAY, NOW, influxdb, poll


async def test_a_point_that_is_a_text_to_influxdb_costs_only_its_polls(influxdb1: Influxdb1) -> None:
    influxdb1.write(f'press,device=press-1 strange="text" {NOW}')
    strange = BlockSchema(COLUMNS.origin, "fast", ("strange",))
    settings = influxdb(influxdb1)
    async with InfluxStore(settings) as store, InfluxqlReader(settings) as reader:
        polls = [poll(NOW + i, float(i), strange if i in (3, 11, 12) else COLUMNS) for i in range(20)]
        refused = await store.write(polls)
        assert sorted(refused) == [3, 11, 12]
        assert "field type conflict" in refused[3].text
        assert len(await reader.samples(COLUMNS.origin.key, "force", NOW, NOW + 20)) == 17


async def test_a_field_in_conflict_costs_that_field_and_the_others_of_its_reading_are_stored(
    influxdb1: Influxdb1,
) -> None:
    influxdb1.write(f'press,device=press-1 p3=7i,p7__q="text" {NOW}')
    points = tuple(f"p{number}" for number in range(15))
    columns = BlockSchema(COLUMNS.origin, "fast", points)
    values = tuple(float(number) for number in range(15))
    bad = Reading(columns, NOW + 1, (*values[:7], None, *values[8:]), {7: Reason.TIMEOUT})
    polls = [
        Poll(NOW + 1, (bad,)),
        Poll(NOW + 2, (Reading(columns, NOW + 2, values), Reading(columns, NOW + 3, values))),
        poll(NOW + 4, 1.0),
    ]
    settings = influxdb(influxdb1)
    async with InfluxStore(settings) as store, InfluxqlReader(settings) as reader:
        refused = await store.write(polls)
        assert {index: (one.code, one.values) for index, one in refused.items()} == {
            0: (AckCode.FIELD_CONFLICT, 2),
            1: (AckCode.FIELD_CONFLICT, 2),
        }
        assert '"p3"' in refused[1].text
        assert '"p3"' in refused[0].text
        assert '"p7__q"' in refused[0].text
        for number, point in enumerate(points):
            found = await reader.samples(COLUMNS.origin.key, point, NOW + 1, NOW + 9)
            expected = [] if number == 3 else [value for value in (2, 3) if number == 7] or [1, 2, 3]
            assert [sample.time_ms - NOW for sample in found] == expected, point
        assert len(await reader.samples(COLUMNS.origin.key, "force", NOW, NOW + 9)) == 1


async def test_a_text_with_a_line_feed_and_the_name_of_the_field_is_no_field(influxdb1: Influxdb1) -> None:
    influxdb1.write(f"press,device=press-1 p3=7i {NOW}")
    columns = BlockSchema(COLUMNS.origin, "fast", ("p3", "note"))
    reading = Reading(columns, NOW + 1, (1.0, "first\npress,x p3=1 "))
    settings = influxdb(influxdb1)
    async with InfluxStore(settings) as store, InfluxqlReader(settings) as reader:
        refused = await store.write([Poll(NOW + 1, (reading,))])
        assert refused[0].code is AckCode.FIELD_CONFLICT
        [kept] = await reader.samples(COLUMNS.origin.key, "note", NOW, NOW + 9)
        assert kept.value == "first\npress,x p3=1 "


def requests(server: Influxdb1) -> int:
    """How many writes the server has been asked for."""
    (counts,) = server.query("SHOW STATS FOR 'httpd'")
    return int(counts["values"][0][counts["columns"].index("writeReq")])


async def test_a_profile_that_is_refused_as_a_whole_costs_no_request_for_each_poll(
    influxdb1: Influxdb1,
) -> None:
    influxdb1.write(f'press,device=a strange="text" {NOW}')
    influxdb1.write(f'p__q,device=a s\\ \\,\\="x="text" {NOW}')
    strange = BlockSchema(COLUMNS.origin, "fast", ("force", "strange"))
    second = BlockSchema(Origin("edge-1", "drive-1", "p ,q"), "fast", ('s ,="x',))
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
        assert '"s ,="x" on measurement "p__q"' in refused[2].text
        # The batch, what has the first field, the same without it, the others, what has the second, the rest.
        assert requests(influxdb1) == before + 6
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
