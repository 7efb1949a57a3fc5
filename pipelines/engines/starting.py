"""What the denoising begins with: noise, a noised picture, or a noised picture of which a part is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from PIL import Image

from pipelines import images
from pipelines.engines import decoding
from pipelines.engines.modifiers.base import Modifier
from pipelines.engines.modifiers.editing import PictureGuidance
from pipelines.engines.modifiers.inpainting import Blending, Differential, MaskedPicture
from pipelines.engines.modifiers.rewriting import Rewriting
from pipelines.groups import IMAGE_GUIDANCE, Inpaint
from pipelines.models.memory import Ways
from pipelines.models.weights.components import Components
from pipelines.sampling import masks, noise
from pipelines.sampling.masks import Canvas
from pipelines.types import GenerationRequest, OnProgress


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """latents: (batch, channels, height, width). Modifiers: what goes with them; canvas only for inpainting."""

    latents: torch.Tensor
    modifiers: tuple[Modifier, ...] = ()
    canvas: Canvas | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # of the record


@dataclass(frozen=True, kw_only=True, slots=True)
class Maker:
    """Makes the start of one batch. Draws from each image's generator in this order: the VAE's sample of the picture,
    the noise, then what inpainting needs."""

    parts: Components
    request: GenerationRequest
    generators: Sequence[torch.Generator]
    scheduler: Any
    timesteps: torch.Tensor
    ways: Ways
    rungs: list[str] = field(default_factory=list)  # what was needed for want of memory
    on_progress: OnProgress = lambda progress: None
    first: int = 0  # place of the first image in its batch

    def make(self) -> Start:
        if self.request.inpaint is not None:
            return self._inpaint(self.request.inpaint)
        if self.request.init is not None:
            size = (self.request.width, self.request.height)
            picture = images.fit(self.request.init.image, size, self.request.init.resize_mode)
            encoded = decoding.encode(self.parts, picture, self.generators, self.ways, self.rungs)
            if self.request.edit is not None:
                return self._rewrite(encoded)
            if self.parts.editing:
                return self._edit(picture, encoded)
            latents = self.noised(encoded)
        else:
            latents = self._noise() * self.scheduler.init_noise_sigma
        return Start(latents=latents, modifiers=self._of_whole_pictures())

    def going_on(self, latents: torch.Tensor, facts: Mapping[str, Any] = MappingProxyType({})) -> Start:
        """With clean latents of the request's size, whatever they were made by; `facts`: of that."""
        noised = self.noised(latents.to(self.parts.placement.dtype))
        return Start(latents=noised, modifiers=self._of_whole_pictures(), facts=facts)

    def noised(self, latents: torch.Tensor) -> torch.Tensor:
        """Clean latents of the request's size -> with the noise that the denoising begins with."""
        noised: torch.Tensor = self.scheduler.add_noise(latents, self._noise(), self.timesteps[:1])
        return noised

    def _rewrite(self, encoded: torch.Tensor) -> Start:
        """The picture noised for every step, each time anew, as it is changed by words."""
        drawn = [self._noise(), *(self._plain_noise() for _ in self.timesteps[1:])]
        noised = [
            self.scheduler.add_noise(encoded, one, timestep[None])
            for one, timestep in zip(drawn, self.timesteps, strict=True)
        ]
        rewriting = Rewriting((*noised, encoded))
        return Start(latents=noised[0], modifiers=(*self._of_whole_pictures(), rewriting))

    def _edit(self, picture: Image.Image, encoded: torch.Tensor) -> Start:
        """The picture at hand all the time; at full strength it begins with nothing but noise, as published."""
        drawn = self._noise()
        if self.request.steps_run == self.request.steps:
            latents = drawn * self.scheduler.init_noise_sigma
        else:
            latents = self.scheduler.add_noise(encoded, drawn, self.timesteps[:1])
        return Start(latents=latents, modifiers=(self._seen(picture),))

    def _seen(self, picture: Image.Image) -> Modifier:
        asked = None if self.request.init is None else self.request.init.image_guidance
        seen = decoding.likeliest(self.parts, picture, len(self.generators), self.ways, self.rungs)
        return PictureGuidance(picture=seen, guidance=IMAGE_GUIDANCE if asked is None else asked)

    def _inpaint(self, inpaint: Inpaint) -> Start:
        canvas = masks.plan(self.request)
        picture = canvas.picture
        if inpaint.masked_content == "fill" and not inpaint.soft:
            picture = masks.filled(picture, canvas.working_mask)
        original = decoding.encode(self.parts, picture, self.generators, self.ways, self.rungs)
        mask = masks.latent_mask(canvas.working_mask, self.parts.vae_factor).to(original)
        greys = masks.latent_greys(canvas.working_mask, self.parts.vae_factor).to(original.device)
        drawn = self._noise()
        content = self._content(inpaint, canvas, original, greys >= 1 if inpaint.soft else mask > 0)
        latents = self.scheduler.add_noise(content, drawn, self.timesteps[:1])
        told = {"original": original, "noise": drawn}
        blending = Differential(mask=greys, **told) if inpaint.soft else Blending(mask=mask, **told)
        if self.parts.inpainting:
            seen = self._masked_channels(canvas.picture, canvas.working_mask, mask)
            return Start(latents=latents, modifiers=(seen, blending) if inpaint.soft else (seen,), canvas=canvas)
        editing = (self._seen(canvas.picture),) if self.parts.editing else ()
        return Start(latents=latents, modifiers=(*editing, blending), canvas=canvas)

    def _content(
        self, inpaint: Inpaint, canvas: Canvas, original: torch.Tensor, replaced: torch.Tensor
    ) -> torch.Tensor:
        """What the repainted part begins from, where it is `replaced`; with a soft mask that is what is free at once,
        as all else begins as the picture has it."""
        if inpaint.masked_content == "latent noise":
            content = self._plain_noise()
        elif inpaint.masked_content == "latent nothing":
            content = torch.zeros_like(original)
        elif inpaint.masked_content == "fill" and inpaint.soft:
            filled = masks.filled(canvas.picture, canvas.working_mask)
            content = decoding.encode(self.parts, filled, self.generators, self.ways, self.rungs)
        else:
            return original
        return torch.where(replaced, content, original)

    def _noise(self) -> torch.Tensor:
        """What the denoising begins with: of the seed, or near it."""
        variation, placement = self.request.variation, self.parts.placement
        if variation is None:
            return self._plain_noise()
        seeds = [variation.moved(self.first + place).seed for place in range(len(self.generators))]
        width, height = self.request.width, self.request.height
        drawn = self._shape(variation.from_width or width, variation.from_height or height)
        made = noise.varied(self._shape(width, height), self.generators, seeds, variation.strength, drawn)
        return made.to(device=placement.device, dtype=placement.dtype)

    def _plain_noise(self) -> torch.Tensor:
        shape, placement = self._shape(self.request.width, self.request.height), self.parts.placement
        return noise.randn(shape, self.generators, placement.device, placement.dtype)

    def _shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Of latents of one picture of so many pixels."""
        factor = self.parts.vae_factor
        return self.parts.latent_channels, height // factor, width // factor

    def _of_whole_pictures(self) -> tuple[Modifier, ...]:
        return self._all_masked() if self.parts.inpainting else ()

    def _all_masked(self) -> tuple[Modifier, ...]:
        """An inpainting UNet without a mask: everything is new, of a grey picture."""
        size = (self.request.width, self.request.height)
        full = Image.new("L", size, 255)
        mask = masks.latent_mask(full, self.parts.vae_factor)
        return (self._masked_channels(Image.new("RGB", size), full, mask),)

    def _masked_channels(self, picture: Image.Image, pixels: Image.Image, mask: torch.Tensor) -> Modifier:
        """The latent mask, and the picture's latents with grey under the mask."""
        hidden = pixels.point(lambda value: 255 if value >= masks.HALF else 0)
        values = decoding.to_tensor(picture)  # grey is 0 here, which no 8-bit colour is
        values = values * (decoding.mask_tensor(hidden) < 0.5)
        latents = decoding.encode_tensor(self.parts, values, self.generators, self.ways, self.rungs)
        return MaskedPicture(channels=torch.cat([mask.to(latents).expand(len(latents), -1, -1, -1), latents], 1))
