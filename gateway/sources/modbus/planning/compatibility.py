"""Whether what the settings say of a device fits its profile."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.sources.modbus.settings import DeviceSettings
from qilu.contract.profile import DeviceProfile
from qilu.contract.validation import Problem


def problems(profile: DeviceProfile, settings: DeviceSettings) -> Iterator[Problem]:
    """What does not fit; each place is relative to the device in the settings."""
    for name in settings.poll_periods:
        if name not in profile.groups:
            text = f"profile {profile.profile} has no group {name}"
            yield Problem(("poll_periods", name), text, f"its groups are: {', '.join(profile.groups)}")
    yield from profile.problems_with(settings.parameters, ("parameters",))
    if not any(point.readable for point in profile.points):
        text = f"profile {profile.profile} has no point that can be read"
        yield Problem(("profile",), text, "set `access: read` or `read_write` for at least one point")
