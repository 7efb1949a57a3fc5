"""Pictures to be like: IP-Adapter (Ye, Zhang, Liu, Han, Yang 2023, arXiv:2308.06721).

Each cross-attention of the network asks the words and, with the same queries, what an adapter made of a picture; the
two answers are added. No part of the network is exchanged for it: what is asked is taken on its way from one of the
layer's parts to the next, so a run without it, and the next one, is what it always was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.engines.modifiers.base import NOTHING, Added, Call, Modifier, within
from pipelines.engines.modifiers.editing import UNLED
from pipelines.fields import there
from pipelines.leading import Reference
from pipelines.models.weights.components import Beside, Components
from pipelines.models.weights.ip_adapter import IPAdapter, cross_attention
from pipelines.types import GenerationRequest


class Referring(Modifier):
    """Its adapter works once, with the text encoders: what it says of a picture is the same at every step."""

    capturable = False  # it comes and goes

    def __init__(self, adapter: IPAdapter, told: Reference, look: Callable[[], Tensor]) -> None:
        """`look`: what stands for no picture, and what was seen of this one; see `Sight.of`."""
        self.weights = (Beside(module=adapter, stage="text"),)
        self._adapter, self._told, self._look = adapter, told, look
        self._pairs: list[tuple[Tensor, Tensor]] = []  # of each layer keys and values (2, words, width)
        self._rows: Tensor | None = None  # which of the two each row is told; None: none is told anything

    def prepare(self, parts: Components) -> None:
        self._pairs = self._adapter.told(self._look().to(parts.like))

    @contextmanager
    def applied_to(self, network: Any) -> Iterator[None]:
        if self._told.weight == 0:
            yield
            return
        with ExitStack() as stack:
            for layer, pair in zip(cross_attention(network), self._pairs, strict=True):
                stack.enter_context(self._asked(layer, *pair))
            yield

    def call(self, call: Call) -> Added:
        self._rows = None
        if within(self._told.start, self._told.end, call):
            told = [int(one.role not in UNLED) for one in call.rows for _ in range(len(call.latents))]
            self._rows = torch.tensor(told, device=call.latents.device)
        return NOTHING

    @contextmanager
    def _asked(self, layer: Any, keys: Tensor, values: Tensor) -> Iterator[None]:
        """The layer's queries are kept as they are made, and what they find is added before it becomes its answer."""
        queries: list[Tensor] = []

        def keep(_: Any, __: Any, query: Tensor) -> None:
            queries[:] = [query]  # of the call that is answered next: who looks on asks before

        def add(_: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if self._rows is None or not queries:
                return None
            found = _answer(queries.pop(), keys[self._rows], values[self._rows], layer.heads)
            return (given[0] + self._told.weight * found, *given[1:])

        hooks = layer.to_q.register_forward_hook(keep), layer.to_out[0].register_forward_pre_hook(add)
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _answer(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """(rows, places, width): what each place of the picture finds."""
    query, key, value = (one.view(*one.shape[:2], heads, -1).transpose(1, 2) for one in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


def referring(
    request: GenerationRequest, adapters: Mapping[str, IPAdapter], look: Callable[[str], Tensor]
) -> tuple[Referring, ...]:
    """Those that a request asks for. `adapters`: of each of its slots; `look`: at a slot's picture."""
    return tuple(Referring(adapters[slot], one, partial(look, slot)) for slot, one in there(request, Reference).items())
