"""A second network reads a map and adds to the first what follows it: ControlNet (Zhang et al. 2023, arXiv:2302.05543).

Counted in calls of the network, as diffusers' pipelines count; which half is led and how strongly each depth, as
their guess mode has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from pipelines import images
from pipelines.engines.modifiers.base import NOTHING, Added, Call, Modifier, within
from pipelines.engines.modifiers.editing import UNLED
from pipelines.errors import InvalidRequest
from pipelines.fields import there
from pipelines.leading import CONTROL_KINDS, Control
from pipelines.models.weights.components import Beside
from pipelines.sampling import masks
from pipelines.sampling.masks import Canvas
from pipelines.types import GenerationRequest


@dataclass(frozen=True, kw_only=True)
class Following(Modifier):
    """`told`: how it is asked for; `picture`: its map at the size of the picture (1, 3, height, width), 0 … 1."""

    network: Any
    told: Control
    picture: torch.Tensor
    weights: tuple[Beside, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", (Beside(module=self.network, stage="unet"),))

    def call(self, call: Call) -> Added:
        if not self._counts_at(call):
            return NOTHING
        images = len(call.latents)
        pooled = bool(self.network.config.global_pool_conditions)
        unled = UNLED if self.told.balance == "control" or pooled else ()
        led = [number for number in range(len(call.sample)) if call.rows[number // images].role not in unled]
        conditions = {name: one[led] for name, one in (call.conditions or {}).items()}
        down, middle = self.network(
            call.sample[led],
            call.timestep,
            encoder_hidden_states=call.words[led],
            **self._shown(self._picture_at(call).to(call.sample).expand(len(led), -1, -1, -1)),
            conditioning_scale=self.told.weight,
            guess_mode=self.told.balance != "balanced" or pooled,  # the finer, the weaker
            added_cond_kwargs=conditions or None,
            return_dict=False,
        )
        return Added(down=[_among(call, led, one) for one in down], middle=_among(call, led, middle))

    def _picture_at(self, call: Call) -> torch.Tensor:
        return self.picture if call.area is None else call.area.of(self.picture)

    def _shown(self, picture: torch.Tensor) -> dict[str, Any]:
        """The map as the network takes it; one that reads several kinds is told which it is."""
        if "num_control_type" not in self.network.config:
            return {"controlnet_cond": picture}
        kind = CONTROL_KINDS.index(self.told.kind)
        told = picture.new_zeros(len(picture), self.network.config.num_control_type)
        told[:, kind] = 1
        return {"controlnet_cond": [picture], "control_type": told, "control_type_idx": [kind]}

    def _counts_at(self, call: Call) -> bool:
        return self.told.weight > 0 and within(self.told.start, self.told.end, call)


def _among(call: Call, led: list[int], residuals: torch.Tensor) -> torch.Tensor:
    """Those of the rows that are led, with nothing for the others: (rows, channels, height, width)."""
    if len(led) == len(call.sample):
        return residuals
    found = residuals.new_zeros((len(call.sample), *residuals.shape[1:]))
    found[led] = residuals
    return found


def following(request: GenerationRequest, networks: Mapping[str, Any]) -> tuple[Following, ...]:
    """Those that a request asks for; `networks`: of each of its slots. Raises `InvalidRequest`."""
    asked = there(request, Control)
    for slot, control in asked.items():
        kinds = CONTROL_KINDS[: networks[slot].config.get("num_control_type")]
        if control.kind not in kinds:
            raise InvalidRequest(f"{slot}_kind", "choice", choices=kinds, value=control.kind)
    return tuple(
        Following(network=networks[slot], told=control, picture=_seen(control, request, networks[slot]))
        for slot, control in asked.items()
    )


def _seen(control: Control, request: GenerationRequest, network: Any) -> torch.Tensor:
    """Its map where the picture is worked on (1, 3, height, width), 0 … 1. What is to be repainted is hidden from a
    network that fills it in: below every colour, or black for one that reads several kinds."""
    canvas = None if request.inpaint is None else masks.plan(request)
    pixels = _pixels(control.map, request, canvas)
    if control.kind == "repaint" and canvas is not None:
        hidden = np.asarray(canvas.working_mask) >= masks.HALF
        pixels[hidden] = 0 if "num_control_type" in network.config else -1
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def _pixels(image: Image.Image, request: GenerationRequest, canvas: Canvas | None) -> NDArray[np.float32]:
    """(height, width, 3); a map lies over the whole of a picture of which only a part is worked on."""
    size = request.width, request.height
    if canvas is not None and request.inpaint is not None and request.inpaint.only_masked:
        part = images.fit(image, canvas.original.size, "crop").crop(canvas.box)
        return np.array(images.fit(part, size, "stretch"), np.float32) / np.float32(255)
    return np.array(images.fit(image, size, "crop"), np.float32) / np.float32(255)
