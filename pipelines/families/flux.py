"""Flux.1: a transformer told of the prompt by CLIP and T5, run by diffusers' own pipeline. Black Forest Labs; numbers
as on their model cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.families import plain
from pipelines.families.base import Family, Folder, Mark, Nature, Pipeline, Tensors
from pipelines.families.sd3 import CHANNELS, CLIP_TOKENIZER, LATENTS, T5_TOKENIZER
from pipelines.types import GenerationRequest, ModelInfo

_CHANNELS = {64: "", 384: "fill", 128: "control"}  # of what goes in: 4 latents of 16 channels at once, and more


def _variant(tensors: Tensors, prefix: str) -> str:
    first = tensors.shapes.get(f"{prefix}img_in.weight") or tensors.shapes.get(f"{prefix}x_embedder.weight") or (0, 64)
    guided = "guidance_in." in tensors.text or "guidance_embedder." in tensors.text
    return _variant_of(first[-1], guided)


def _variant_of_config(config: Mapping[str, Any]) -> str:
    return _variant_of(config.get("in_channels", 64), bool(config.get("guidance_embeds")))


def _variant_of(channels: Any, guided: bool) -> str:
    return _CHANNELS.get(channels, "") or ("dev" if guided else "schnell")


def _check(info: ModelInfo, request: GenerationRequest) -> None:
    plain.check(info, request, FLUX.natures[info.variant], FLUX.titled(info.variant))


FLUX = Family(
    name="flux",
    title="Flux",
    marks=(
        Mark(has={"double_blocks.0.img_attn.norm.key_norm.scale": None, "vector_in.in_layer.weight": None}),
        Mark(has={"double_blocks.0.img_attn.norm.key_norm.weight": None, "vector_in.in_layer.weight": None}),
        Mark(  # diffusers' names
            has=dict.fromkeys(
                (
                    "single_transformer_blocks.0.norm.linear.weight",
                    "time_text_embed.text_embedder.linear_1.weight",
                    "context_embedder.weight",
                )
            )
        ),
    ),
    adapters=(r"[\n._](?:double_blocks|single_blocks|single_transformer_blocks)[._]\d",),
    notes=("flux-1", "flux1"),
    latents=LATENTS,
    channels=CHANNELS,
    folder=Folder(
        pipeline="Flux",
        weights=("transformer", "vae", "text_encoder", "text_encoder_2"),
        tokenizers={"tokenizer": CLIP_TOKENIZER, "tokenizer_2": T5_TOKENIZER},
        scheduler=plain.SCHEDULER,
    ),
    variant_of=_variant,
    variant_of_config=_variant_of_config,
    natures={
        "dev": Nature(steps=28, guidance=3.5, tokens=512),
        "schnell": Nature(steps=4, guidance=1.0, tokens=256, guided=False),  # 1: none, as everywhere here
    },
    sampler=plain.SAMPLER,
    loads=plain.LOADS,
    variants=("dev", "schnell"),
    single_file=False,  # one file holds no tokenizer of its T5
    check=_check,
    learns_words=False,
    clips=("tokenizer",),  # the second is T5's
    pipeline=Pipeline(
        tasks={"txt2img": "FluxPipeline", "img2img": "FluxImg2ImgPipeline", "inpaint": "FluxInpaintPipeline"},
        transformer="FluxTransformer2DModel",
        encoders={"text_encoder": "CLIPTextModel", "text_encoder_2": "T5EncoderModel"},
        longest="tokenizer_2",
    ),
)
FAMILIES = (FLUX,)
