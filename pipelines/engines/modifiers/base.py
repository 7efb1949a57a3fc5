"""What changes the denoising, piece by piece: each a `Modifier`, several in the order of the task's tuple.

At one call of the network, in this order, each step by all modifiers one after the other:

    rows, shown       which rows the network is given, what each is told, and which latents it is shown
    moves             how far the latents are moved for each of them; what is said of them is moved back
    call              what else it is given: channels, residuals, arguments
    before_guidance   what it said of each rows, before they become one prediction
    after_guidance    that prediction
    after_step        the latents that the sampler made of it

Each is given what those before it made. Channels stand in the same order behind the latents' own, residuals are added
up. Hooks that `applied_to` sets are taken out in the opposite order, whatever ends the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager as Context
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch

from pipelines.engines.conditioning import Predictions, Rows
from pipelines.models.weights.components import Beside, Components
from pipelines.sampling.levels import Level


@dataclass(frozen=True, kw_only=True, slots=True)
class Area:
    """A part of the latents; `width`: of the whole."""

    rows: slice
    columns: slice
    width: int

    def of(self, values: torch.Tensor) -> torch.Tensor:
        """Of what lies over the whole, at the scale of latents or several times as fine (…, height, width)."""
        scale = values.shape[-1] // self.width
        rows, columns = (slice(one.start * scale, one.stop * scale) for one in (self.rows, self.columns))
        return values[..., rows, columns]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """The call of the network that is about to be made."""

    number: int  # 0 … calls - 1
    calls: int
    step: int  # 1 … steps
    timestep: torch.Tensor
    latents: torch.Tensor  # (images, channels, height, width)
    sample: torch.Tensor  # (rows, channels, height, width): scaled for the network, without further channels
    rows: tuple[Rows, ...]  # in the order of `sample`, as many rows each as there are images
    words: torch.Tensor  # (rows, tokens, width)
    conditions: Mapping[str, Any] | None  # what else the network is told of each row: SDXL's pooled text and sizes
    moved: bool = False  # some of the rows see the latents moved
    area: Area | None = None  # the part of the picture that `latents` and `sample` are; None: all of it


def within(start: float, end: float, call: Call) -> bool:
    """Whether a call lies between these shares of all, as diffusers' pipelines count them."""
    return not call.number / call.calls < start and not (call.number + 1) / call.calls > end


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """What a modifier adds to a call."""

    channels: torch.Tensor | None = None  # (rows, any, height, width), of the whole picture
    down: Sequence[torch.Tensor] = ()  # residuals of the network's skips, each of its skip's shape, or of one row
    middle: torch.Tensor | None = None  # the residual of its middle
    attention: Mapping[str, Any] = field(default_factory=dict)  # arguments of its cross-attention
    conditions: Mapping[str, Any] = field(default_factory=dict)  # joined with those of the call
    labels: torch.Tensor | None = None  # (rows, width): what a network is told in the place of a class

    def __post_init__(self) -> None:
        if bool(self.down) != (self.middle is not None):
            # diffusers takes the first alone for something else, and forgets the second alone in silence
            raise ValueError("residuals must be given for the skips and the middle together")


class Modifier:
    """Changes nothing; those that do say what. One may be used by several runs, one after the other."""

    weights: Sequence[Beside] = ()  # networks that it works with: the memory plan counts and moves them
    more_rows: int = 0  # so many rows an image that `rows` adds, beside what the memory plan knows of the model
    capturable: bool = True  # a graph of one call of the network may hold what it does there: no Python, no state

    def prepare(self, parts: Components) -> None:
        """Before the denoising, while its weights of the stage "text" are on the device."""

    def applied_to(self, network: Any) -> Context[Any]:
        """Open while the network works: hooks are set and taken out again. State begins anew."""
        return nullcontext()

    def begin(self, levels: Sequence[Level]) -> None:
        """Before the first call of a run: how noisy the latents are at each."""

    def seeded(self, seeds: Sequence[int]) -> None:
        """Before the first call of a run: of the images that it makes."""

    def rows(self, rows: tuple[Rows, ...], step: int) -> tuple[Rows, ...]:
        return rows

    def moves(self, rows: tuple[Rows, ...], done: float, size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        """Down and to the right, of each of the rows, around the edges; (): none is moved. One modifier alone may.
        `done`: the share of the calls before this one; `size`: height and width of the latents."""
        return ()

    def shown(self, call: int) -> Mapping[str, torch.Tensor]:
        """Of rows of a role, other latents than the run's own that the network is shown, of their shape."""
        return {}

    def call(self, call: Call) -> Added:
        return NOTHING

    def before_guidance(self, predictions: Predictions, call: Call) -> Predictions:
        return predictions

    def after_guidance(self, prediction: torch.Tensor, predictions: Predictions, call: Call) -> torch.Tensor:
        return prediction

    def after_step(self, latents: torch.Tensor, scheduler: Any, next_timestep: torch.Tensor | None) -> torch.Tensor:
        """Whenever the latents are at a whole noise level: two-call samplers are so after their second call.
        `next_timestep`: None when they are clean."""
        return latents

    def facts(self) -> Mapping[str, Any]:
        """What belongs in the record, after the run."""
        return {}


NOTHING = Added()


@contextmanager
def applied(modifiers: Sequence[Modifier], network: Any) -> Iterator[None]:
    with ExitStack() as stack:
        for modifier in modifiers:
            stack.enter_context(modifier.applied_to(network))
        yield


def arguments_of(added: Sequence[Added], call: Call) -> dict[str, Any]:
    """All that the network is called with, behind sample and timestep. Raises ValueError where two modifiers want the
    same argument to be different things."""
    down: list[torch.Tensor] = []
    middle: torch.Tensor | None = None
    for one in added:
        if one.middle is not None:
            down = [a + b for a, b in zip(down, one.down, strict=True)] if down else list(one.down)
            middle = one.middle if middle is None else middle + one.middle
    conditions, attention = dict(call.conditions or {}), dict[str, Any]()
    for one in added:
        _join(conditions, one.conditions)
        _join(attention, one.attention)
    arguments: dict[str, Any] = {"encoder_hidden_states": call.words, "added_cond_kwargs": conditions or None}
    if middle is not None:
        arguments |= {"down_block_additional_residuals": tuple(down), "mid_block_additional_residual": middle}
    if labels := [one.labels for one in added if one.labels is not None]:
        (arguments["class_labels"],) = labels
    if attention:
        arguments["cross_attention_kwargs"] = attention
    return arguments


def _join(arguments: dict[str, Any], more: Mapping[str, Any]) -> None:
    if twice := arguments.keys() & more.keys():
        raise ValueError(f"two modifiers give {', '.join(sorted(twice))}")
    arguments.update(more)
