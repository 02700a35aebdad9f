"""A thin line gets the time that its messages need, and a cut one is noticed as soon as the settings want."""

from qilu.mqtt.keepalive import MAX_KEEPALIVE_S, Keepalive


def link(
    keepalive: Keepalive, *, silent: bool, waiting: int, acknowledged: tuple[tuple[int, float], ...] = ()
) -> float:
    """The keepalive after one more link that carried these messages (bytes, seconds) and ended so."""
    keepalive.opened()
    for size_bytes, took_s in acknowledged:
        keepalive.acknowledged(size_bytes, took_s)
    keepalive.ended(timed_out=silent, waiting_bytes=waiting)
    return keepalive.seconds


def test_it_doubles_while_a_message_does_not_pass_and_has_a_bound() -> None:
    keepalive = Keepalive(10)
    seen = [link(keepalive, silent=True, waiting=44_000) for _ in range(10)]
    assert seen == [20, 40, 80, 160, 320, 640, 900, 900, 900, 900]
    assert max(seen) == MAX_KEEPALIVE_S


def test_it_stays_while_messages_need_it_and_falls_when_they_are_fast_again() -> None:
    keepalive = Keepalive(10)
    for _ in range(2):
        link(keepalive, silent=True, waiting=44_000)
    assert link(keepalive, silent=False, waiting=0, acknowledged=((44_000, 22.0),)) == 40
    assert link(keepalive, silent=False, waiting=0) == 40, "nothing was carried, so nothing is known"
    assert link(keepalive, silent=False, waiting=0, acknowledged=((44_000, 4.0), (500, 0.1))) == 16
    assert link(keepalive, silent=False, waiting=0, acknowledged=((44_000, 0.1),)) == 10


def test_a_line_that_is_cut_or_a_broker_that_closes_changes_nothing() -> None:
    keepalive = Keepalive(10)
    carried = ((44_000, 0.1),)
    assert link(keepalive, silent=True, waiting=44_000, acknowledged=carried) == 10
    assert link(keepalive, silent=True, waiting=0) == 10
    assert link(keepalive, silent=False, waiting=44_000) == 10


def test_a_setting_beyond_the_bound_is_kept() -> None:
    keepalive = Keepalive(3600)
    assert link(keepalive, silent=True, waiting=1) == 3600
