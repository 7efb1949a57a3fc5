"""A picture taken apart in the latents of the model that made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pipelines.errors import InvalidRequest
from pipelines.groups import SIDE_STEP, SMALLEST_SIDE, InitImage
from pipelines.types import Batch, GenerationRequest
from pipelines.watching import Dissolving
from webui.archive import pictures
from webui.process.experiments import base_of
from webui.proof.watched import Generate

SIDE = 256  # pixels, at most: as large as it is shown
MOST = 40  # moments that are decoded at once
STEPS = 1000  # single ones, at most
SEED = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Dissolved:
    """`views`: decoded, one for each share, or after single steps the last alone. `apart`, `deviation`: of those from
    one step, at most, and of their noise together."""

    views: tuple[Image.Image, ...]
    apart: float | None
    deviation: float | None


def dissolved(path: Path, dissolving: Dissolving, generate: Generate) -> Dissolved:
    """Raises InvalidRequest for a file that does not say its model, for shares that are none, and what the engine
    raises."""
    _check(dissolving)
    base, picture = base_of(path), pictures.read(path)
    width, height = size_of(picture.size)
    start = InitImage(image=picture, strength=1)
    request = GenerationRequest(
        prompt="", model=base.model, vae=base.vae, width=width, height=height, steps=1, seed=SEED, init=start
    )
    (result,) = generate(Batch(request=request, seeds=(SEED,), dissolving=dissolving))
    facts = result.facts
    return Dissolved(
        views=tuple(moment.views["noisy"] for moment in result.moments),
        apart=facts.get("apart"),
        deviation=facts.get("deviation"),
    )


def size_of(size: tuple[int, int]) -> tuple[int, int]:
    """What a model can encode, near the picture's own shape."""
    scale = min(1.0, SIDE / max(size))
    width, height = (max(SMALLEST_SIDE, round(side * scale / SIDE_STEP) * SIDE_STEP) for side in size)
    return width, height


def _check(dissolving: Dissolving) -> None:
    """Shares go down, and a single step takes one of the whole."""
    left: Sequence[object] = dissolving.left
    most = STEPS if dissolving.stepwise else MOST
    if not 0 < len(left) <= most or not all(isinstance(one, float) and 0 < one <= 1 for one in left):
        raise InvalidRequest("left", "no_shares")
    if dissolving.stepwise and sorted(dissolving.left, reverse=True) != [*dissolving.left]:
        raise InvalidRequest("left", "no_shares")
