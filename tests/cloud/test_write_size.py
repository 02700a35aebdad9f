"""A write that does not end in time is halved until it fits, and grows slowly again."""

from hypothesis import given
from hypothesis import strategies as st

from cloud.write_size import WriteSize


def test_there_is_no_limit_until_a_write_takes_too_long() -> None:
    size = WriteSize(1000)
    limits = [size.records]
    for change in (size.fitted, size.too_long, size.too_long):
        change(size.records or 1000)
        limits.append(size.records)
    assert limits == [None, None, 500, 250]


def test_a_write_that_was_shorter_than_the_limit_lets_it_be() -> None:
    size = WriteSize(1000)
    size.too_long(1000)
    size.fitted(499)
    assert size.records == 500
    size.fitted(500)
    assert size.records == 515


@given(fits=st.integers(1, 2000), batch=st.integers(1, 3000))
def test_on_every_line_it_comes_to_fit_and_without_a_thin_line_the_limit_ends(fits: int, batch: int) -> None:
    size = WriteSize(1000)
    for _ in range(12):
        if min(batch, size.records or batch) > fits:
            size.too_long(min(batch, size.records or batch))
    assert min(batch, size.records or batch) <= fits
    for _ in range(500):
        size.fitted(size.records or batch)
    assert size.records is None
