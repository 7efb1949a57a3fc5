"""A folder of a model that draws by masked tokens (aMUSEd's layout) -> its parts. Never goes online, never unpickles.

Suraj Patil et al., "aMUSEd: An Open MUSE Reproduction", arXiv:2401.01808.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AmusedScheduler, AutoencoderKL, UVit2DModel, VQModel
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from pipelines.families import builtin
from pipelines.models.device import Placement
from pipelines.models.files.folders import read_json
from pipelines.models.stages import OnPart, unheard
from pipelines.models.weights.loading import model_errors, quieted, read_part
from pipelines.types import ModelInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenParts:
    """A model taken apart. `vae`: of the latents that `vqvae` reads and writes; None: it reads and writes pictures."""

    info: ModelInfo
    placement: Placement
    tokenizer: Any
    text_encoder: Any
    transformer: Any
    vqvae: Any
    vae: Any
    scheduler_config: Mapping[str, Any]

    @property
    def modules(self) -> tuple[Any, ...]:
        """All that holds weights."""
        return (self.text_encoder, self.transformer, *self.codec)

    @property
    def codec(self) -> tuple[Any, ...]:
        """What makes pictures of tokens, and tokens of pictures."""
        return (self.vqvae,) if self.vae is None else (self.vqvae, self.vae)

    @property
    def factor(self) -> int:
        """Pixels a side for one token."""
        return int(2 ** sum(len(part.config.block_out_channels) - 1 for part in self.codec))

    @property
    def mask(self) -> int:
        """The token that stands for none."""
        return int(self.scheduler_config["mask_token_id"])

    def scheduler(self, *, inpainting: bool) -> Any:
        """A fresh one; masked parts are filled evenly, whole pictures by the cosine, as aMUSEd's own pipelines do."""
        linear = {"masking_schedule": "linear"} if inpainting else {}
        found = AmusedScheduler.from_config(self.scheduler_config, **linear)
        found.schedule = "automatic"  # for the record, as ours have it
        return found

    def named(self, info: ModelInfo) -> TokenParts:
        return replace(self, info=info)


def read_tokens(info: ModelInfo, placement: Placement, on_part: OnPart = unheard) -> TokenParts:
    """In main memory, in the device's type. Raises `ModelError`."""
    quieted()
    with model_errors(info.name):
        found = _read(info, placement, on_part)
    for part in found.modules:
        part.eval().requires_grad_(False)
    return found


def _read(info: ModelInfo, placement: Placement, on_part: OnPart) -> TokenParts:
    folder = Path(info.path)
    on_part("text_encoder")
    if info.builtin:
        tokenizer, text_encoder, vae = _shared(placement)
    else:
        text_encoder, vae = read_part(CLIPTextModelWithProjection, folder, "text_encoder", placement), None
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    on_part("transformer")
    transformer = read_part(UVit2DModel, folder, "transformer", placement)
    on_part("vae")
    return TokenParts(
        info=info,
        placement=placement,
        tokenizer=tokenizer,
        text_encoder=text_encoder,
        transformer=transformer,
        vqvae=read_part(VQModel, folder, "vqvae", placement),
        vae=vae,
        scheduler_config=read_json(folder / "scheduler" / "scheduler_config.json"),
    )


def _shared(placement: Placement) -> tuple[Any, Any, Any]:
    """Tokenizer, text encoder and VAE of the built-in model, whose text is not projected any further."""
    folder = builtin.FOLDER
    encoder = CLIPTextModelWithProjection.from_pretrained(
        folder, subfolder="text_encoder", local_files_only=True, use_safetensors=True, dtype=placement.dtype
    )
    encoder.text_projection.weight.data.copy_(torch.eye(encoder.config.projection_dim))
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    return tokenizer, encoder, read_part(AutoencoderKL, folder, "vae", placement)
