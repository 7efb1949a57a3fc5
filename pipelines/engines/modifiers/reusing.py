"""Inner features of one step are handed on to the next ones: Ma, Fang, Wang 2023, "DeepCache: Accelerating Diffusion
Models for Free", arXiv:2312.00858. Only the UNet's first level works at such a step.

Which steps these are follows from the request alone (`leading.Reuse`), so a picture is made again. What looks into the
inner blocks, as where words look, sees the other steps only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from pipelines.engines.modifiers.base import NOTHING, Added, Call, Modifier
from pipelines.leading import Reuse
from pipelines.models.weights.arranging import is_streamed
from pipelines.sampling.levels import Level


class Reused(Modifier):
    """Stands behind all that adds rows: what was kept is of the same rows, in the same order, or it is not used."""

    capturable = False  # which blocks work is found out at each call

    def __init__(self, reuse: Reuse) -> None:
        self._reuse = reuse
        self._steps, self._now, self._streams = 0, False, False
        self._rows: tuple[str, ...] = ()  # that what was kept is of
        self._kept: dict[Any, Any] = {}  # block -> what it said
        self._told: list[int] = []

    @contextmanager
    def applied_to(self, network: Any) -> Iterator[None]:
        self._rows, self._streams = (), is_streamed(network)
        self._told.clear()
        blocks = (*network.down_blocks[1:], network.mid_block, *network.up_blocks[:-1])
        with ExitStack() as stack:
            for block in blocks:
                before = block.__dict__.get("forward")  # of a hook that keeps the block elsewhere
                block.forward = self._instead(block, block.forward, whole=block is blocks[-1])
                stack.callback(_put_back, block, before)
            stack.callback(self._kept.clear)
            yield

    def begin(self, levels: Sequence[Level]) -> None:
        self._steps = levels[-1].step

    def call(self, call: Call) -> Added:
        rows = tuple(one.role for one in call.rows)
        self._now = self._reuse.at(call.step, self._steps) and rows == self._rows
        self._rows = rows
        if self._now and call.step not in self._told:
            self._told.append(call.step)
        return NOTHING

    def facts(self) -> Mapping[str, Any]:
        return {"reused_steps": list(self._told)}

    def _instead(self, block: Any, forward: Callable[..., Any], *, whole: bool) -> Callable[..., Any]:
        """`whole`: what the block said is kept; of the others, which only lead there, its shapes."""

        def instead(*given: Any, **options: Any) -> Any:
            if self._now:
                if self._streams:
                    forward(*given, **options)  # each layer brings the next one to the card: none may be left out
                return _copied(self._kept[block])
            said = forward(*given, **options)
            self._kept[block] = said if whole else _blank(said)
            return _copied(said)

        return instead


def _put_back(block: Any, forward: Any) -> None:
    if forward is None:
        del block.forward
    else:
        block.forward = forward


def _blank(said: Any) -> Any:
    """Of the same shapes, of one number."""
    return tuple(map(_blank, said)) if isinstance(said, tuple) else said.new_zeros(()).expand_as(said)


def _copied(said: Any) -> Any:
    """FreeU changes what it is given; what lies beside is only read."""
    return (said[0].clone(), *said[1:]) if isinstance(said, tuple) else said.clone()
