"""The film of a picture: it is made again, and what its steps show on the way is kept."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.errors import InvalidRequest
from pipelines.watching import VIEWS, Filming, Moment
from webui.archive.inputs import InputStore
from webui.proof.watched import Generate, watched

MOMENTS = 12  # of a film, unless the run has fewer steps
FRAME = 250  # milliseconds that a moment is shown in a moving film
LAST = 1500  # ... and the picture at its end
DIFFERENCE = "difference"  # between the predictions with and without the prompt: what the guidance makes larger


@dataclass(frozen=True, kw_only=True, slots=True)
class Film:
    """`picture`: what came out at the end."""

    moments: tuple[Moment, ...]
    picture: Image.Image
    identical: bool  # it is the file's, pixel for pixel
    near: bool  # ... but for rounding


def film(path: Path, inputs: InputStore, generate: Generate, moments: int = MOMENTS) -> Film:
    """Raises InvalidRequest for a file that does not hold how it was made, or whose model shows no steps, and what
    making it raises."""
    found = watched(
        path, inputs, generate, lambda batch, place: replace(batch, filming=Filming(moments=moments, image=place))
    )
    if not found.result.moments:
        raise InvalidRequest("file", "not_filmed")
    shown = tuple(_with_difference(moment) for moment in found.result.moments)
    return Film(moments=shown, picture=found.result.image, identical=found.identical, near=found.near)


def _with_difference(moment: Moment) -> Moment:
    """Grey where the prompt changes nothing."""
    if not {"without", "given"} <= moment.views.keys():
        return moment
    given, without = (np.asarray(moment.views[name], np.int16) for name in ("given", "without"))
    grey = Image.fromarray((128 + (given - without) / 2).round().clip(0, 255).astype(np.uint8))
    return replace(moment, views={**moment.views, DIFFERENCE: grey})


def strip(shown: Film) -> Image.Image:
    """A row a view, a column a moment."""
    rows = [name for name in (*VIEWS, DIFFERENCE) if all(name in moment.views for moment in shown.moments)]
    width, height = shown.moments[0].views[rows[0]].size
    whole = Image.new("RGB", (width * len(shown.moments), height * len(rows)))
    for column, moment in enumerate(shown.moments):
        for row, name in enumerate(rows):
            whole.paste(moment.views[name], (column * width, row * height))
    return whole


def moving(shown: Film) -> bytes:
    """A lossless WebP that moves: the noisy picture at every moment, then what came out."""
    size = shown.moments[0].views["noisy"].size
    frames = [moment.views["noisy"] for moment in shown.moments]
    last = shown.picture if shown.picture.size == size else shown.picture.resize(size, Image.Resampling.LANCZOS)
    data, pauses = io.BytesIO(), [FRAME] * len(frames) + [LAST]
    frames[0].save(
        data, "WEBP", save_all=True, append_images=[*frames[1:], last], duration=pauses, loop=0, lossless=True
    )
    return data.getvalue()
