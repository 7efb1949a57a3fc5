"""LoRAs that count otherwise at some steps (`pipelines.prompts.loras`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pipelines.engines.modifiers.base import NOTHING, Added, Call, Modifier
from pipelines.models.adapters import Adapters
from pipelines.sampling.levels import Level


class Weighed(Modifier):
    """Before each call every LoRA counts as it should at that step; afterwards as it did before the run."""

    capturable = False  # the weights are plain numbers, which a graph would keep

    def __init__(self, adapters: Adapters) -> None:
        self._adapters, self._steps = adapters, 0

    @contextmanager
    def applied_to(self, network: Any) -> Iterator[None]:
        try:
            yield
        finally:
            self._adapters.weigh()

    def begin(self, levels: Sequence[Level]) -> None:
        self._steps = levels[-1].step

    def call(self, call: Call) -> Added:
        self._adapters.weigh(call.step, self._steps)
        return NOTHING
