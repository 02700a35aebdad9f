"""Keeps a poll that a store fails at from stopping the ingester: it alone is refused, by name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.reading import Poll
from qilu.stores.interfaces import Store

_log = logging.getLogger(__name__)


async def write_isolated(store: Store, polls: Sequence[Poll]) -> Mapping[int, Refusal]:
    """As `Store.write`; an error that is a bug of the store refuses the poll that causes it.

    That poll is found by halving. It is deferred, because a corrected program can store it.
    """
    try:
        return await store.write(polls)
    except (UnreachableError, ConfigError):
        raise
    except Exception as error:  # noqa: BLE001 - a boundary: no poll may end the ingester
        if len(polls) > 1:
            middle = len(polls) // 2
            first = await write_isolated(store, polls[:middle])
            second = await write_isolated(store, polls[middle:])
            return {**first, **{index + middle: problem for index, problem in second.items()}}
        origin = polls[0].origin
        _log.exception("store %s: cannot write a record of %s/%s", store.identity, origin.edge, origin.device)
        return {0: Refusal(AckCode.STORE_REFUSED, f"{type(error).__name__}: {str(error)[:200]}")}
