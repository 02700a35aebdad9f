"""Each acknowledgement states what became of the records, once and to the stream they are of."""

from hypothesis import given
from hypothesis import strategies as st

from cloud.acks import MAX_PENDING, MAX_REFUSED, MAX_STREAMS, AckBuffer, StreamKey
from deploy.mosquitto.users import MAX_PACKET
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.messages import decode_ack, encode_ack
from qilu.contract.ranges import IntervalSet

ONE, OTHER = StreamKey("edge-1", 0xA), StreamKey("edge-2", 0xB)


def gathered(horizon: float = 0.0) -> AckBuffer:
    return AckBuffer("store", "ingester", horizon)


def test_with_no_horizon_what_is_stored_is_durable() -> None:
    answers = gathered()
    answers.stored(ONE, IntervalSet([(0, 4)]))
    [(edge, answer)] = answers.take_due()
    assert (edge, answer.stream, str(answer.durable), str(answer.stored)) == ("edge-1", 0xA, "0-4", "")
    assert (answer.store, answer.ingester) == ("store", "ingester")


def test_with_a_horizon_it_is_stored_first_and_durable_when_the_store_confirms_it() -> None:
    answers = gathered(30.0)
    answers.stored(ONE, IntervalSet([(0, 4)]))
    [(_, first)] = answers.take_due()
    assert (str(first.stored), str(first.durable)) == ("0-4", "")
    assert answers.take_due() == []
    answers.durable(ONE, IntervalSet([(0, 3)]))
    [(_, second)] = answers.take_due()
    assert (str(second.stored), str(second.durable)) == ("", "0-3")


def test_each_stream_of_each_edge_has_an_answer_of_its_own() -> None:
    answers = gathered()
    for named in (ONE, OTHER, StreamKey("edge-1", 0xC)):
        answers.stored(named, IntervalSet([(0, 1)]))
        answers.stored(named, IntervalSet([(2, 3)]))
    output = answers.take_due()
    assert [(edge, answer.stream, str(answer.durable)) for edge, answer in output] == [
        ("edge-1", 0xA, "0-3"),
        ("edge-2", 0xB, "0-3"),
        ("edge-1", 0xC, "0-3"),
    ]
    assert answers.take_due() == []


def test_many_rejections_are_reported_a_part_at_a_time() -> None:
    answers = gathered()
    reasons = {offset: Refusal(AckCode.BAD_VALUE, str(offset)) for offset in range(2 * MAX_REFUSED + 5)}
    answers.refused(ONE, reasons)
    reported: dict[int, Refusal] = {}
    sizes = []
    while output := answers.take_due():
        sizes.append(len(output[0][1].rejected))
        reported.update(output[0][1].rejected)
    assert reported == reasons
    assert sizes == [MAX_REFUSED, MAX_REFUSED, 5]


def test_refusals_of_one_edge_that_wait_are_bounded_and_leave_those_of_others_their_room() -> None:
    answers = gathered()
    for stream in range(20):
        refused = {offset: Refusal(AckCode.MALFORMED, "no record") for offset in range(1000)}
        answers.refused(StreamKey("flood", stream), refused)
    answers.refused(ONE, {7: Refusal(AckCode.MALFORMED, "no record")})
    reported: dict[str, int] = {}
    while due := answers.take_due():
        for edge, answer in due:
            reported[edge] = reported.get(edge, 0) + len(answer.rejected)
    assert reported == {"flood": MAX_PENDING, "edge-1": 1}
    answers.refused(StreamKey("flood", 1), {1: Refusal(AckCode.MALFORMED, "no record")})
    assert len(answers.take_due()) == 1


def test_an_edge_that_invents_streams_gets_a_bounded_number_of_answers_and_delays_no_other() -> None:
    answers = gathered(30.0)
    for stream in range(1000):
        answers.stored(StreamKey("flood", stream), IntervalSet([(0, 0)]))
        answers.durable(StreamKey("flood", stream, epoch=stream), IntervalSet([(0, 0)]))
        answers.refused(StreamKey("flood", stream), {1: Refusal(AckCode.MALFORMED, "no record")})
    answers.stored(ONE, IntervalSet([(0, 0)]))
    reported = [edge for edge, _ in answers.take_due()]
    assert (reported.count("flood"), reported.count("edge-1")) == (MAX_STREAMS, 1)
    assert answers.take_due() == []
    answers.stored(StreamKey("flood", 1000), IntervalSet([(0, 0)]))
    assert len(answers.take_due()) == 1


def test_an_answer_is_shorter_than_a_message_of_a_gateway_however_long_the_reasons_are() -> None:
    answers = gathered()
    long, longest = (Refusal(AckCode.BAD_VALUE, text) for text in ("型" * 100, "x" * 100_000))
    reasons = dict.fromkeys(range(1000), long) | {5: longest}
    answers.refused(ONE, reasons)
    reported: dict[int, Refusal] = {}
    while output := answers.take_due():
        reported.update(output[0][1].rejected)
        assert len(encode_ack(output[0][1])) < 40_000
    assert reported == reasons | {5: Refusal(AckCode.BAD_VALUE, "x" * 1000)}


def test_an_answer_with_scattered_offsets_fits_into_a_packet_of_the_deployed_broker() -> None:
    answers = gathered(30.0)
    far = 10**18
    scattered = IntervalSet.of(range(far, far + 10_000, 2))
    answers.stored(ONE, scattered)
    answers.durable(ONE, scattered)
    answers.refused(ONE, {offset: Refusal(AckCode.STORE_LIMIT, "no") for offset in range(far, far + 2000, 2)})
    reported, rounds = IntervalSet(), 0
    while output := answers.take_due():
        rounds += 1
        assert len(encode_ack(output[0][1])) < MAX_PACKET - 1000
        assert output[0][1].stored == output[0][1].durable
        reported.update(output[0][1].durable)
    assert reported == scattered
    assert rounds == 5


offsets = st.lists(st.integers(0, 60), min_size=1, max_size=8).map(IntervalSet.of)
KINDS = ("stored", "durable", "rejected", "deferred", "answer")
events = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from([ONE, OTHER]), offsets), max_size=40)


@given(events=events, horizon=st.sampled_from([0.0, 30.0]))
def test_in_any_history_everything_is_answered_as_what_it_became(
    events: list[tuple[str, StreamKey, IntervalSet]], horizon: float
) -> None:
    answers = gathered(horizon)
    given_in: dict[str, set[tuple[StreamKey, int]]] = {kind: set() for kind in KINDS}
    answered: dict[str, set[tuple[StreamKey, int]]] = {kind: set() for kind in KINDS}

    def answer_all() -> None:
        for edge, answer in answers.take_due():
            assert decode_ack(encode_ack(answer)) == answer
            named = StreamKey(edge, answer.stream)
            answered["stored"] |= {(named, offset) for offset in answer.stored}
            answered["durable"] |= {(named, offset) for offset in answer.durable}
            answered["rejected"] |= {(named, offset) for offset in answer.rejected}
            for code, some in answer.deferred.items():
                assert code is AckCode.STORE_LIMIT
                answered["deferred"] |= {(named, offset) for offset in some}

    for kind, named, some in events:
        if kind == "answer":
            answer_all()
            continue
        as_kind = "durable" if kind == "stored" and not horizon else kind
        if kind == "stored":
            answers.stored(named, some)
        elif kind == "durable":
            answers.durable(named, some)
        else:
            answer_all()  # of two refusals of one record the later one counts
            code = AckCode.BAD_VALUE if kind == "rejected" else AckCode.STORE_LIMIT
            answers.refused(named, dict.fromkeys(some, Refusal(code, "no")))
        given_in[as_kind] |= {(named, offset) for offset in some}
    answer_all()
    assert answered == given_in
