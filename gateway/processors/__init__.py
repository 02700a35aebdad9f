"""What may happen to a poll between source and spool: each processor is one pure class with its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from gateway.interfaces import Processor
from gateway.processors.deadband import DeadbandSettings
from gateway.processors.select import SelectSettings
from gateway.processors.stale import StaleSettings

ProcessorSettings = Annotated[DeadbandSettings | SelectSettings | StaleSettings, Field(discriminator="type")]
"""One entry of `processors:` in the gateway's settings."""


def build_processors(settings: Sequence[ProcessorSettings]) -> list[Processor]:
    return [processor.build() for processor in settings]
