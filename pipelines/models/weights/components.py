"""A model taken apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from pipelines.models.device import Placement
from pipelines.types import ModelInfo

Stage = Literal["text", "unet", "vae"]  # of a run: what is at work


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """A network that works beside a model's own in one stage, placed where they are when it was read."""

    module: Any
    stage: Stage


def bytes_of(modules: Iterable[Any]) -> int:
    """Of their weights."""
    tensors = (tensor for part in modules for tensor in (*part.parameters(), *part.buffers()))
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@dataclass(frozen=True, kw_only=True, slots=True)
class Components:
    """A model taken apart. Everything about its shape is read from its own configs."""

    info: ModelInfo
    placement: Placement
    unet: Any
    vae: Any
    text_encoders: tuple[Any, ...]
    tokenizers: tuple[Any, ...]  # one for each text encoder
    scheduler_config: Mapping[str, Any]
    beside: tuple[Beside, ...] = ()  # of one run, each module once
    give_back: Callable[[], object] = lambda: None  # from the device what is kept there for speed alone

    @property
    def modules(self) -> tuple[Any, ...]:
        """All that holds weights."""
        return (self.unet, self.vae, *self.text_encoders, *(one.module for one in self.beside))

    def at_work(self, stage: Stage) -> tuple[Any, ...]:
        own = {"text": self.text_encoders, "unet": (self.unet,), "vae": (self.vae,)}[stage]
        return (*own, *(one.module for one in self.beside if one.stage == stage))

    @property
    def vae_factor(self) -> int:
        """Pixels a side for one latent: each VAE level but the last halves the picture."""
        levels: int = len(self.vae.config.block_out_channels)
        return int(2 ** (levels - 1))

    @property
    def latent_channels(self) -> int:
        return int(self.vae.config.latent_channels)

    def can_normalize(self, width: int, height: int, rows: int) -> bool:
        """False when the deepest level of the UNet would have a single number for each of its groups, which torch
        refuses: only a model with as many groups as channels, and only at the smallest sizes."""
        config = self.unet.config
        values = rows * (config.block_out_channels[-1] // config.norm_num_groups)
        for side in (width, height):
            values *= -(-(side // self.vae_factor) // 2 ** (len(config.block_out_channels) - 1))
        return bool(values > 1)

    @property
    def inpainting(self) -> bool:
        """The UNet takes mask and masked picture beside the latents: 4 + 1 + 4 channels."""
        return int(self.unet.config.in_channels) == 2 * self.latent_channels + 1

    @property
    def editing(self) -> bool:
        """The UNet takes the picture it is to change beside the latents: 4 + 4 channels, as InstructPix2Pix has it."""
        return int(self.unet.config.in_channels) == 2 * self.latent_channels

    @property
    def like(self) -> torch.Tensor:
        """An empty tensor of the model's device and type."""
        return torch.empty(0, device=self.placement.device, dtype=self.placement.dtype)

    @property
    def scored(self) -> bool:
        """The UNet is told how beautiful a picture should be, in the place of its final size: SDXL's refiner."""
        config = self.unet.config
        if not self.is_sdxl:
            return False
        pooled = int(self.text_encoders[-1].config.projection_dim)
        return int(config.projection_class_embeddings_input_dim) == pooled + 5 * int(config.addition_time_embed_dim)

    @property
    def is_sdxl(self) -> bool:
        return bool(self.unet.config.addition_embed_type == "text_time")
