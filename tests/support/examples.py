"""How many examples a test of random histories runs: all of them in `make test`, few in `make test-fast`."""

from hypothesis import settings

FAST_PROFILE = "fast"
FEW = 20


def examples(wanted: int) -> int:
    """`wanted`, or few where hypothesis has the profile of `make test-fast` and `make cover`."""
    return min(wanted, FEW) if settings.get_current_profile_name() == FAST_PROFILE else wanted
