"""An ingester warns of a device name that two edges send, once, and in bounded memory."""

from cloud.shared_names import SharedNames
from qilu.contract.reading import DeviceKey

ONE, OTHER = DeviceKey("edge-1", "compressor-1"), DeviceKey("edge-2", "compressor-1")


def test_a_name_of_two_edges_is_reported_once() -> None:
    names = SharedNames()
    assert names.observe([ONE, ONE, DeviceKey("edge-2", "pump-1")]) == []
    (warning,) = names.observe([ONE, OTHER, OTHER])
    assert "edge-1 and edge-2 both have devices of these names: compressor-1;" in warning
    assert names.observe([ONE, OTHER]) == []
    (third,) = names.observe([DeviceKey("edge-3", "compressor-1")])
    assert "edge-1 and edge-3" in third


def test_names_without_end_cost_bounded_memory_and_known_ones_are_still_noticed() -> None:
    names = SharedNames(max_names=10)
    assert names.observe([ONE]) == []
    assert (names.observe(DeviceKey("edge-3", f"d-{number}") for number in range(1000))) == []
    assert len(names._first) == 10
    assert len(names.observe([OTHER])) == 1
    assert len(names.observe(DeviceKey(f"e-{number}", "d-1") for number in range(1000))) == 9


def test_many_names_of_two_edges_are_one_line() -> None:
    names = SharedNames()
    names.observe(DeviceKey("edge-1", f"d-{number}") for number in range(100))
    (warning,) = names.observe(DeviceKey("edge-2", f"d-{number}") for number in range(100))
    assert "d-0, d-1, d-2, d-3, d-4 and 95 more" in warning
