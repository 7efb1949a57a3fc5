"""Where words look: how strongly each place of the picture asks each word, averaged over heads, layers and steps.

DAAM: Tang, Liu, Pandey, Jiang, Yang, Kumar, Stenetorp, Lin, Ture 2022, "What the DAAM: Interpreting Stable Diffusion
Using Cross Attention". The watcher only reads what a cross-attention layer is given and works its weights out again
beside it, one head at a time, so no pixel changes and little memory is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.engines.conditioning import POSITIVE
from pipelines.engines.modifiers.base import NOTHING, Added, Call, Modifier
from pipelines.errors import InvalidRequest
from pipelines.prompts.chunks import token_map
from pipelines.prompts.grammar import Prompt
from pipelines.prompts.wish import Wish
from pipelines.types import DIALECTS
from pipelines.watching import Attention

Word = tuple[int, str, int]  # part of an AND, text, and which of several of the same text


class Watcher(Modifier):
    """Looks on while the UNet works."""

    capturable = False  # it adds up what it sees, by what the step's prompt says

    def __init__(self, tokenizer: Any, wish: Wish, steps: int) -> None:
        """`steps`: that run. Raises `InvalidRequest` for a dialect whose words cannot be told apart any more."""
        if not isinstance(wish.prompt, Prompt):
            raise InvalidRequest("dialect", "attention_dialect", dialect=DIALECTS[0], value=wish.dialect)
        self._tokenizer, self._prompt, self._steps = tokenizer, wish.prompt, steps
        self._known: dict[int, Mapping[Word, list[int]]] = {}  # by step
        self._now: Mapping[Word, list[int]] = {}
        self._rows: tuple[slice, ...] = ()  # of each part of an AND
        self._sums: dict[Word, dict[int, Tensor]] = {}  # word -> places of a layer -> (images, places)
        self._counts: dict[Word, int] = {}  # heads that a sum is of

    @contextmanager
    def applied_to(self, network: Any) -> Iterator[None]:
        self._sums.clear()
        self._counts.clear()
        layers = [module for name, module in network.named_modules() if name.endswith("attn2")]
        hooks = [layer.register_forward_pre_hook(self._look, with_kwargs=True) for layer in layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def call(self, call: Call) -> Added:
        step, images = call.step if self._prompt.changes else 1, len(call.latents)
        if step not in self._known:
            self._known[step] = self._words_at(step)
        self._now = {} if call.moved else self._known[step]  # places of a moved picture are others
        places = [place * images for place, one in enumerate(call.rows) if one.role == POSITIVE]
        self._rows = tuple(slice(first, first + images) for first in places)
        return NOTHING

    def maps(self, image: int, height: int, width: int) -> Attention:
        """Of one image: a map of height × width (the latents' size) for each word."""
        words = sorted(self._sums, key=lambda word: (word[0], min(self._place(word))))
        found = []
        for word in words:
            whole = torch.zeros(height, width)
            for places, total in self._sums[word].items():
                grid = total[image].view(1, 1, *grid_of(places, height, width)).float().cpu()
                whole += F.interpolate(grid, (height, width), mode="bicubic", align_corners=False)[0, 0].clamp(min=0)
            found.append(whole / self._counts[word])
        data = torch.stack(found).numpy().astype("<f4").tobytes() if found else b""
        return Attention(words=tuple(text for _, text, _ in words), width=width, height=height, maps=data)

    def _place(self, word: Word) -> list[int]:
        return next(now[word] for now in self._known.values() if word in now)

    def _words_at(self, step: int) -> dict[Word, list[int]]:
        """Each word -> where its tokens stand in the embedding of its part."""
        found: dict[Word, list[int]] = {}
        chunks = token_map(self._tokenizer, self._prompt, step=step, steps=self._steps)
        start, part = 0, 0
        for chunk in chunks:
            if chunk.part != part:
                start, part = 0, chunk.part
            text, places = "", list[int]()
            for place, token in enumerate(chunk.tokens, start + 1):  # behind the begin mark
                text, places = text + token.text, [*places, place]
                if token.ends_word:
                    same = sum(other[:2] == (part, text) for other in found)
                    found[part, text, same] = places
                    text, places = "", []
            start += chunk.room + 2
        return found

    def _look(self, layer: Any, arguments: Sequence[Any], options: Mapping[str, Any]) -> None:
        asking = arguments[0] if arguments else options["hidden_states"]
        text = options["encoder_hidden_states"]
        if layer.norm_cross:
            text = layer.norm_encoder_hidden_states(text)
        for part in sorted({word[0] for word in self._now}):
            rows = self._rows[part]
            words = {word: places for word, places in self._now.items() if word[0] == part}
            self._add(layer, layer.to_q(asking[rows]), layer.to_k(text[rows]), words)

    def _add(self, layer: Any, queries: Tensor, keys: Tensor, words: Mapping[Word, list[int]]) -> None:
        """queries: (images, places, width), keys: (images, tokens, width)."""
        for query, key in zip(queries.chunk(layer.heads, -1), keys.chunk(layer.heads, -1), strict=True):
            scores = torch.einsum("ipd,itd->ipt", query.float(), key.float()) * layer.scale
            weights = scores.softmax(-1)  # (images, places, tokens)
            for word, tokens in words.items():
                seen = weights[:, :, tokens].mean(-1)
                sums = self._sums.setdefault(word, {})
                size = seen.shape[1]
                sums[size] = sums[size] + seen if size in sums else seen
                self._counts[word] = self._counts.get(word, 0) + 1


def grid_of(places: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of a layer that sees so many places of latents of this size: each level halves, rounded up."""
    while height * width > places:
        height, width = math.ceil(height / 2), math.ceil(width / 2)
    return height, width
