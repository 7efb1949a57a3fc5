"""Stable Diffusion 3 and 3.5: a transformer told of the prompt by two CLIPs and T5, run by diffusers' own pipeline.
Patrick Esser et al., arXiv:2403.03206; numbers as on Stability's model cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.families import plain
from pipelines.families.base import Family, Folder, Mark, Nature, Pipeline
from pipelines.types import GenerationRequest, ModelInfo

CLIP_TOKENIZER, T5_TOKENIZER = ("tokenizer.json", "vocab.json"), ("tokenizer.json",)
LATENTS, CHANNELS = "flow", 16
# In the makers' names and in diffusers': of every one; of layers that attend to the picture twice; of 38 layers
_ALL = (
    ("joint_blocks.0.context_block.adaLN_modulation.1.bias",),
    ("pos_embed.proj.weight", "transformer_blocks.0.attn.add_q_proj.weight"),
)
_DUAL = ("joint_blocks.0.x_block.attn2.qkv.weight", "transformer_blocks.0.attn2.to_q.weight")
_LARGE = ("joint_blocks.37.x_block.attn.qkv.weight", "transformer_blocks.37.attn.to_q.weight")


def _check(info: ModelInfo, request: GenerationRequest) -> None:
    family = next(family for family in FAMILIES if family.name == info.family)
    plain.check(info, request, family.natures[info.variant], family.titled(info.variant))


def _marks(has: tuple[str, ...] = (), lacks: tuple[str, ...] = ()) -> tuple[Mark, ...]:
    return tuple(Mark(has=dict.fromkeys((*names, *has[at : at + 1])), lacks=lacks) for at, names in enumerate(_ALL))


def _family(name: str, title: str, nature: Nature, **more: Any) -> Family:
    return Family(
        name=name,
        title=title,
        latents=LATENTS,
        channels=CHANNELS,
        folder=Folder(
            pipeline="StableDiffusion3",
            weights=("transformer", "vae", "text_encoder", "text_encoder_2"),  # it may come without its third encoder
            tokenizers={"tokenizer": CLIP_TOKENIZER, "tokenizer_2": CLIP_TOKENIZER, "tokenizer_3": T5_TOKENIZER},
            scheduler=plain.SCHEDULER,
        ),
        natures={"": nature},
        sampler=plain.SAMPLER,
        loads=plain.LOADS,
        check=_check,
        learns_words=False,
        clips=("tokenizer", "tokenizer_2"),
        pipeline=Pipeline(
            tasks={
                "txt2img": "StableDiffusion3Pipeline",
                "img2img": "StableDiffusion3Img2ImgPipeline",
                "inpaint": "StableDiffusion3InpaintPipeline",
            },
            transformer="SD3Transformer2DModel",
            encoders={
                "text_encoder": "CLIPTextModelWithProjection",
                "text_encoder_2": "CLIPTextModelWithProjection",
                "text_encoder_3": "T5EncoderModel",
            },
            longest="tokenizer_3",
        ),
        **more,
    )


def _layers(config: Mapping[str, Any]) -> str:
    if config.get("num_layers") == 38:
        return "large"
    return "medium" if config.get("dual_attention_layers") else ""


SD3 = _family(
    "sd3",
    "SD 3",
    Nature(steps=28, guidance=7.0, tokens=256, negative=True),
    marks=_marks(lacks=_DUAL + _LARGE),
    adapters=(r"joint_blocks[._]\d|(?<!single_)transformer_blocks[._]\d+[._]attn[._]add_[kqv]_proj",),
    notes=("stable-diffusion-3", "sd3"),
    of_config=lambda config: _layers(config) == "",
)
MEDIUM = _family(
    "sd3.5-medium",
    "SD 3.5 medium",
    Nature(steps=40, guidance=4.5, tokens=256, negative=True),
    marks=_marks(_DUAL, _LARGE),
    notes=("stable-diffusion-3.5-medium",),
    of_config=lambda config: _layers(config) == "medium",
)
LARGE = _family(
    "sd3.5-large",
    "SD 3.5 large",
    Nature(steps=28, guidance=3.5, tokens=256, negative=True),
    marks=_marks(_LARGE),
    notes=("stable-diffusion-3.5-large",),
    of_config=lambda config: _layers(config) == "large",
)
FAMILIES = (SD3, MEDIUM, LARGE)
