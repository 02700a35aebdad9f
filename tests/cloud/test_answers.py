"""What is said of records is what became of them: nothing too early, nothing that a store forgot."""

from hypothesis import given
from hypothesis import strategies as st

from cloud.answers import MOST_REFUSED, Answers, Named
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.notices import decode_answer, encode_answer
from qilu.contract.ranges import Ranges

ONE, OTHER = Named("edge-1", 0xA), Named("edge-2", 0xB)


def gathered(horizon: float = 0.0) -> Answers:
    return Answers("store", "ingester", horizon)


def test_with_no_horizon_what_is_stored_is_durable() -> None:
    answers = gathered()
    answers.stored(ONE, Ranges([(0, 4)]), "run 1", 0.0)
    [(edge, answer)] = answers.due(None, 0.0)
    assert (edge, answer.stream, str(answer.durable), str(answer.stored)) == ("edge-1", 0xA, "0-4", "")
    assert (answer.store, answer.ingester) == ("store", "ingester")


def test_with_a_horizon_it_is_stored_first_and_durable_later() -> None:
    answers = gathered(30.0)
    answers.stored(ONE, Ranges([(0, 4)]), "run 1", 100.0)
    [(_, first)] = answers.due("run 1", 100.0)
    assert (str(first.stored), str(first.durable)) == ("0-4", "")
    assert not answers.matures(129.9)
    assert answers.due("run 1", 129.9) == []
    assert answers.matures(130.0)
    [(_, second)] = answers.due("run 1", 130.0)
    assert (str(second.stored), str(second.durable)) == ("", "0-4")


def test_what_another_run_of_the_store_took_is_not_called_durable() -> None:
    answers = gathered(30.0)
    answers.stored(ONE, Ranges([(0, 4)]), "run 1", 0.0)
    answers.stored(ONE, Ranges([(5, 9)]), "run 2", 1.0)
    answers.due("run 2", 1.0)
    [(_, answer)] = answers.due("run 2", 40.0)
    assert str(answer.durable) == "5-9"


def test_nothing_matures_while_the_store_cannot_be_asked() -> None:
    answers = gathered(30.0)
    answers.stored(ONE, Ranges([(0, 4)]), "run 1", 0.0)
    answers.due(None, 0.0)
    assert answers.due(None, 50.0) == []
    [(_, answer)] = answers.due("run 1", 60.0)
    assert str(answer.durable) == "0-4"


def test_each_stream_of_each_edge_has_an_answer_of_its_own() -> None:
    answers = gathered()
    for named in (ONE, OTHER, Named("edge-1", 0xC)):
        answers.stored(named, Ranges([(0, 1)]), "run 1", 0.0)
        answers.stored(named, Ranges([(2, 3)]), "run 1", 0.0)
    said = answers.due(None, 0.0)
    assert [(edge, answer.stream, str(answer.durable)) for edge, answer in said] == [
        ("edge-1", 0xA, "0-3"),
        ("edge-2", 0xB, "0-3"),
        ("edge-1", 0xC, "0-3"),
    ]
    assert answers.due(None, 1.0) == []


def test_many_rejections_are_told_a_part_at_a_time() -> None:
    answers = gathered()
    reasons = {offset: Refusal(AckCode.BAD_VALUE, str(offset)) for offset in range(2 * MOST_REFUSED + 5)}
    answers.refused(ONE, reasons)
    told: dict[int, Refusal] = {}
    sizes = []
    while said := answers.due(None, 0.0):
        sizes.append(len(said[0][1].rejected))
        told.update(said[0][1].rejected)
    assert told == reasons
    assert sizes == [MOST_REFUSED, MOST_REFUSED, 5]


def test_an_answer_is_shorter_than_a_message_of_a_gateway_however_long_the_reasons_are() -> None:
    answers = gathered()
    long, longest = (Refusal(AckCode.BAD_VALUE, text) for text in ("型" * 100, "x" * 100_000))
    reasons = dict.fromkeys(range(1000), long) | {5: longest}
    answers.refused(ONE, reasons)
    told: dict[int, Refusal] = {}
    while said := answers.due(None, 0.0):
        told.update(said[0][1].rejected)
        assert len(encode_answer(said[0][1])) < 40_000
    assert told == reasons | {5: Refusal(AckCode.BAD_VALUE, "x" * 1000)}


offsets = st.lists(st.integers(0, 60), min_size=1, max_size=8).map(Ranges.of)
events = st.lists(
    st.one_of(
        st.tuples(st.just("stored"), st.sampled_from([ONE, OTHER]), offsets),
        st.tuples(st.just("rejected"), st.sampled_from([ONE, OTHER]), offsets),
        st.tuples(st.just("deferred"), st.sampled_from([ONE, OTHER]), offsets),
        st.tuples(st.just("restart"), st.none(), st.none()),
        st.tuples(st.just("wait"), st.none(), st.floats(0, 40)),
        st.tuples(st.just("say"), st.none(), st.none()),
        st.tuples(st.just("say blindly"), st.none(), st.none()),
    ),
    max_size=40,
)


@given(events=events, horizon=st.sampled_from([0.0, 30.0]))
def test_in_any_history_durable_means_written_and_kept_for_the_horizon(
    events: list[tuple[str, Named | None, Ranges | float | None]], horizon: float
) -> None:
    answers = gathered(horizon)
    now, run = 0.0, 1
    writes: list[tuple[float, int, Named, int]] = []
    rejections: set[tuple[Named, int]] = set()
    deferrals: set[tuple[Named, int]] = set()

    def check(incarnation: str | None) -> None:
        for edge, answer in answers.due(incarnation, now):
            assert decode_answer(encode_answer(answer)) == answer
            named = Named(edge, answer.stream)
            for offset in answer.stored:
                assert any(who == named and which == offset for _, _, who, which in writes)
            for offset in answer.durable:
                assert any(
                    who == named
                    and which == offset
                    and (horizon == 0 or (at + horizon <= now and ran == run))
                    for at, ran, who, which in writes
                )
            assert all((named, offset) in rejections for offset in answer.rejected)
            for code, some in answer.deferred.items():
                assert code is AckCode.STORE_LIMIT
                assert all((named, offset) in deferrals for offset in some)

    for kind, named, what in events:
        if kind == "stored" and named is not None and isinstance(what, Ranges):
            answers.stored(named, what, f"run {run}", now)
            writes += [(now, run, named, offset) for offset in what]
        elif kind == "rejected" and named is not None and isinstance(what, Ranges):
            answers.refused(named, dict.fromkeys(what, Refusal(AckCode.BAD_VALUE, "no")))
            rejections |= {(named, offset) for offset in what}
        elif kind == "deferred" and named is not None and isinstance(what, Ranges):
            answers.refused(named, dict.fromkeys(what, Refusal(AckCode.STORE_LIMIT, "full")))
            deferrals |= {(named, offset) for offset in what}
        elif kind == "restart":
            run += 1
        elif kind == "wait" and isinstance(what, float):
            now += what
        else:
            check(f"run {run}" if kind == "say" else None)


@given(rounds=st.lists(offsets, max_size=10))
def test_with_a_store_that_stays_everything_stored_becomes_durable(rounds: list[Ranges]) -> None:
    answers = gathered(30.0)
    written, durable = Ranges(), Ranges()
    for number, some in enumerate(rounds):
        answers.stored(ONE, some, "run 1", float(number))
        written.update(some)
    for _, answer in answers.due("run 1", 100.0):
        durable.update(answer.durable)
    assert durable == written
