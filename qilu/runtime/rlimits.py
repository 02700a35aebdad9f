"""Room for many open files: a connection for each endpoint, thousands of ports, a file for each device."""

from __future__ import annotations

import logging
import sys

_log = logging.getLogger(__name__)


def raise_open_file_limit(files: int) -> None:
    """Raises the limit of this process by so many, as far as the system lets it.

    By so many and not to so many: a demo has a plant and a gateway in one process. What then still fails is
    reported by the code that opens the file that is one too many.
    """
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return
    raised = soft + files if hard == resource.RLIM_INFINITY else min(soft + files, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    except (ValueError, OSError) as error:  # a filter of system calls, or a system's own bound below `hard`
        _log.debug("the limit of %d open files stays: %s", soft, error)
