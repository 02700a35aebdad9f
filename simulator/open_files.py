"""Room for many open files: a plant may listen on thousands of ports, a data set has a file per device."""

import sys

SPARE = 256  # for clients, logs and whatever else is open


def room_for(files: int) -> None:
    """Raises the limit of this process to so many and some to spare, as far as the system lets it.

    What then still fails is told by whoever opens the file that is one too many.
    """
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = files + SPARE
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
