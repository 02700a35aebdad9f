"""Events survive a restart, within a bound, and a file that is damaged costs its damaged lines alone."""

from pathlib import Path

from gateway.console.event_file import FILE_NAME, EventFile
from gateway.console.event_log import MAX_EVENTS, EventLog
from qilu.contract.profile import Label


def log_of(file: EventFile) -> EventLog:
    log = EventLog(lambda _: Label(), lambda: 1_000)
    log.restore(file.read())
    return log


def save(log: EventLog, file: EventFile) -> None:
    file.append(list(log.unsaved), log.events)
    log.unsaved.clear()


def test_events_and_their_ids_go_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    for run in range(3):
        file = EventFile(path, MAX_EVENTS)
        log = log_of(file)
        log.record_start(f"0.{run}")
        save(log, file)
    events = log_of(EventFile(path, MAX_EVENTS)).page()
    assert [event["id"] for event in events] == [3, 2, 1]
    assert events[0]["text"]["en"] == "Gateway started, version 0.2"


def test_the_file_keeps_at_most_twice_as_many_lines_as_events(tmp_path: Path) -> None:
    path, kept = tmp_path / FILE_NAME, 10
    file = EventFile(path, kept)
    log = log_of(file)
    for number in range(100):
        log.record_start(str(number))
        save(log, file)
        assert len(path.read_bytes().splitlines()) <= 2 * kept
    newest = EventFile(path, kept).read()
    assert [event["id"] for event in newest] == list(range(91, 101))


def test_a_line_that_a_power_cut_left_is_left_out_and_joins_no_other(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    file = EventFile(path, MAX_EVENTS)
    log = log_of(file)
    log.record_start("1")
    save(log, file)
    with path.open("ab") as torn:
        torn.write(b'{"id": 2, "time_ms": 10')
    again = EventFile(path, MAX_EVENTS)
    log = log_of(again)
    log.record_start("2")
    save(log, again)
    assert [event["id"] for event in EventFile(path, MAX_EVENTS).read()] == [1, 2]


def test_a_file_of_something_else_has_no_events(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(b"\xff\x00\n[]\n{}\n" * 100)
    assert list(EventFile(path, MAX_EVENTS).read()) == []
