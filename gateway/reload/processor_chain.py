"""The processors of a gateway in their order, which a reload changes in place."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.interfaces import DeviceMemory, Processor
from gateway.processors import ProcessorSettings, build_processors
from gateway.processors.unwrap import CounterUnwrapper
from qilu.contract.profile import DeviceProfile


@dataclass(slots=True)
class ProcessorChain:
    """The processors of a gateway in their order; `processors` is the list that the pipeline uses."""

    counters: CounterUnwrapper
    first: Sequence[Processor]
    extra: Sequence[Processor]
    settings: Sequence[ProcessorSettings]
    built: Sequence[Processor]
    processors: list[Processor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Put the list together again."""
        counters = [self.counters] if self.counters else []
        self.processors[:] = [*counters, *self.first, *self.built, *self.extra]

    def exchange(
        self, removed: Collection[str], added: Mapping[str, tuple[DeviceProfile, Mapping[str, float]]]
    ) -> None:
        """Other devices from now on; what is kept of those that stay is kept."""
        self.counters.exchange(removed, added)
        for processor in self.processors:
            if isinstance(processor, DeviceMemory):
                processor.forget(removed)
        self.renew()

    def with_settings(self, settings: Sequence[ProcessorSettings]) -> Sequence[Processor]:
        """The processors of other settings; those whose settings are the same keep their state."""
        left = list(zip(self.settings, self.built, strict=True))
        processors: list[Processor] = []
        for wanted in settings:
            known = next((pair for pair in left if pair[0] == wanted), None)
            if known is not None:
                left.remove(known)
            processors.append(build_processors([wanted])[0] if known is None else known[1])
        return processors
