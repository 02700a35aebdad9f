"""Edges share the room and the turns of a queue, whatever one of them sends."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.fair_queue import QUANTUM, FairQueue


@dataclass(frozen=True)
class Item:
    edge: str
    number: int
    size: int


def test_messages_of_one_edge_keep_their_order_and_edges_alternate() -> None:
    queue = FairQueue[Item](10 * QUANTUM)
    for number in range(3):
        for edge in ("a", "b"):
            queue.add(edge, Item(edge, number, QUANTUM))
    taken = [queue.take() for _ in range(6)]
    assert [item.edge for item in taken] == ["a", "b"] * 3
    assert [item.number for item in taken if item.edge == "a"] == [0, 1, 2]
    with pytest.raises(IndexError):
        queue.take()


def test_an_edge_with_large_messages_gets_no_more_bytes_than_one_with_small_ones() -> None:
    queue = FairQueue[Item](10**9)
    for number in range(100):
        queue.add("large", Item("large", number, 10 * QUANTUM))
        for _ in range(10):
            queue.add("small", Item("small", number, QUANTUM))
    first = [queue.take() for _ in range(220)]
    size = {edge: sum(item.size for item in first if item.edge == edge) for edge in ("large", "small")}
    assert abs(size["large"] - size["small"]) <= 20 * QUANTUM


def test_the_edge_that_has_the_most_makes_room_with_its_newest() -> None:
    queue = FairQueue[Item](10)
    for number in range(10):
        assert queue.add("flood", Item("flood", number, 1)) == []
    assert queue.add("flood", Item("flood", 10, 1)) == [Item("flood", 10, 1)]
    assert queue.add("honest", Item("honest", 0, 3)) == [Item("flood", number, 1) for number in (9, 8, 7)]
    assert queue.bytes == 10


items = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 3 * QUANTUM)), max_size=60)


@given(items, st.integers(QUANTUM, 20 * QUANTUM))
def test_every_item_is_taken_once_or_dropped_and_the_room_is_never_exceeded(
    sizes: list[tuple[str, int]], room: int
) -> None:
    queue = FairQueue[Item](room)
    dropped: list[Item] = []
    everything = [Item(edge, number, size) for number, (edge, size) in enumerate(sizes)]
    for item in everything:
        dropped += queue.add(item.edge, item)
        assert queue.bytes <= room
    taken = []
    while queue:
        expected = queue.next()
        taken.append(queue.take())
        assert taken[-1] == expected
    assert queue.bytes == 0
    assert sorted(taken + dropped, key=lambda item: item.number) == everything
    for edge in "abcd":
        numbers = [item.number for item in taken if item.edge == edge]
        assert numbers == sorted(numbers)
