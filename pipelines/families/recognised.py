"""Families that are known by their files and cannot be run yet. One that can be run moves to a file of its own.

Names and shapes: diffusers' networks, and the makers' layouts as ComfyUI tells them apart (`comfy/model_detection.py`).
"""

from __future__ import annotations

from typing import Any

from pipelines.families.base import Family, Folder, Mark, Tensors
from pipelines.families.flux import FLUX

_KLEIN = {7680: "klein 4B", 12288: "klein 9B", 15360: "dev"}  # by the width of the text that goes in


def _flux2(tensors: Tensors, prefix: str) -> str:
    shapes = tensors.shapes
    text = shapes.get(f"{prefix}txt_in.weight") or shapes.get(f"{prefix}context_embedder.weight") or (0,)
    return _KLEIN.get(text[-1], "")


def _chroma(tensors: Tensors, prefix: str) -> str:
    return "Radiance" if tensors.any_starts(f"{prefix}nerf_blocks.") else ""


def _family(name: str, title: str, *marks: Mark, pipeline: str = "", **more: Any) -> Family:
    return Family(name=name, title=title, marks=marks, folder=Folder(pipeline=pipeline) if pipeline else None, **more)


def _with(*names: str, lacks: tuple[str, ...] = (), **shapes: tuple[int | None, ...]) -> Mark:
    return Mark(has=dict.fromkeys(names) | shapes, lacks=lacks)


FAMILIES = (
    _family(
        "flux2",
        "Flux.2",
        _with("double_stream_modulation_img.lin.weight"),
        _with("double_stream_modulation_img.linear.weight"),
        pipeline="Flux2",
        variant_of=_flux2,
        adapters=(
            r"(?:double|single)_stream_modulation|to_qkv_mlp_proj|transformer_blocks[._]\d+[._]ff(?:_context)?[._]linear_",
        ),
        widths=(
            (r"double_blocks[._]\d+[._](?:img|txt)_(?:attn[._](?:qkv|proj)|mlp[._]0)\b", (4096, 6144)),
            (r"double_blocks[._]\d+[._](?:img|txt)_mlp[._]2\b", (9216, 18432)),
            (r"single_blocks[._]\d+[._]linear1\b", (4096, 6144)),
            (r"single_blocks[._]\d+[._]linear2\b", (12288, 16384, 24576)),
            (r"transformer_blocks[._]\d+[._]attn[._](?:to_[qkv]|add_[qkv]_proj)\b", (4096, 6144)),
        ),
        like=FLUX.name,
        notes=("flux-2", "flux2", "flux.2"),
    ),
    _family(
        "chroma",
        "Chroma",
        _with("distilled_guidance_layer.in_proj.weight"),
        pipeline="Chroma",
        variant_of=_chroma,
        adapters=(r"distilled_guidance_layer",),
        like=FLUX.name,
        notes=("chroma",),
    ),
    _family(
        "z-image",
        "Z-Image",
        Mark(has={"cap_pad_token": None, "cap_embedder.1.weight": (3840, None)}),
        pipeline="ZImage",
        widths=((r"(?:layers|refiner)[._]\d+[._](?:attention[._](?:qkv|to_[qkv])|feed_forward[._]w[13])\b", (3840,)),),
        notes=("z-image", "z_image", "zimage"),
    ),
    _family(
        "lumina2",
        "Lumina 2",
        Mark(
            has={"cap_embedder.1.weight": (2304, None), "layers.0.adaLN_modulation.1.weight": None},
            lacks=("cap_pad_token",),
        ),
        _with("time_caption_embed.caption_embedder.1.weight", "layers.0.attn.to_q.weight"),
        pipeline="Lumina2",
        widths=(
            (
                r"(?:layers|refiner)[._]\d+[._](?:attention[._](?:qkv|out)|attn[._]to_[qkv]|feed_forward[._]w[13])\b",
                (2304,),
            ),
        ),
        notes=("lumina-2", "lumina2", "lumina"),
    ),
    _family(
        "qwen-image",
        "Qwen-Image",
        _with("txt_norm.weight", "transformer_blocks.0.img_mod.1.weight"),
        pipeline="QwenImage",
        adapters=(
            r"transformer_blocks[._]\d+[._](?:img|txt)_(?:mod|mlp)[._]",
            r"(?<!single_)transformer_blocks[._](?:19|[2-5]\d)[._]attn[._]",  # Flux has 19 of them
        ),
        notes=("qwen-image", "qwen_image", "qwenimage"),
    ),
    _family(
        "anima",
        "Anima",
        _with("blocks.0.mlp.layer1.weight", "llm_adapter.blocks.0.cross_attn.q_proj.weight"),
        pipeline="Anima",
        adapters=(r"llm_adapter|blocks[._]\d+[._](?:(?:self|cross)_attn[._](?:[qkv]|output)_proj|mlp[._]layer[12])",),
        notes=("anima",),
    ),
    _family(
        "cosmos2",
        "Cosmos Predict 2",
        _with("blocks.0.mlp.layer1.weight", lacks=("llm_adapter.blocks.0.cross_attn.q_proj.weight",)),
        pipeline="Cosmos2",
        like="anima",
        notes=("cosmos",),
    ),
    _family(
        "auraflow",
        "AuraFlow",
        _with("double_layers.0.attn.w1q.weight"),
        _with("joint_transformer_blocks.0.norm1_context.linear.weight"),
        pipeline="AuraFlow",
        adapters=(r"joint_transformer_blocks[._]\d|double_layers[._]\d",),
        like=FLUX.name,
        notes=("auraflow",),
    ),
    _family(
        "hidream",
        "HiDream",
        _with("caption_projection.0.linear.weight"),
        pipeline="HiDreamImage",
        adapters=(r"(?:double|single)_stream_blocks[._]\d",),
        notes=("hidream",),
    ),
    _family(
        "hunyuan-dit",
        "Hunyuan-DiT",
        _with("mlp_t5.0.weight"),
        pipeline="HunyuanDiT",
        prediction="v_prediction",
        notes=("hunyuan-dit", "hunyuandit"),
    ),
    _family(
        "hunyuan-video",
        "HunyuanVideo",
        _with("txt_in.individual_token_refiner.blocks.0.norm1.weight"),
        _with("context_embedder.token_refiner.refiner_blocks.0.norm1.weight"),
        pipeline="HunyuanVideo",
        adapters=(r"individual_token_refiner|token_refiner[._]refiner_blocks",),
        like=FLUX.name,
        notes=("hunyuan-video", "hunyuanvideo", "hunyuan_video"),
    ),
    _family(
        "wan",
        "Wan",
        _with("head.modulation"),
        _with("condition_embedder.time_proj.weight", "blocks.0.attn1.to_q.weight"),
        pipeline="Wan",
        adapters=(
            r"blocks[._]\d+[._](?:self|cross)_attn[._][qkvo][._]",
            r"(?:^|[\n.]|lora_(?:unet|transformer)_)blocks[._]\d+[._]attn[12][._]to_",  # not `transformer_blocks`
        ),
        notes=("wan",),
    ),
    _family(
        "ltx-video",
        "LTX-Video",
        _with("adaln_single.emb.timestep_embedder.linear_1.bias", lacks=("pos_embed.proj.bias",)),
        _with("time_embed.emb.timestep_embedder.linear_1.weight", "caption_projection.linear_1.weight"),
        pipeline="LTX",
        widths=(
            (r"(?:^|transformer[._]|model[._]|unet_)transformer_blocks[._]\d+[._]attn[12][._]to_[qkv]$", (2048, 4096)),
        ),
        notes=("ltx",),
    ),
    _family(
        "pixart",
        "PixArt",
        _with("t_block.1.weight"),
        _with("adaln_single.emb.timestep_embedder.linear_1.bias", "pos_embed.proj.bias"),
        pipeline="PixArt",
        prediction="epsilon",
        notes=("pixart",),
    ),
    _family(
        "stable-cascade",
        "Stable Cascade",
        _with("clf.1.weight"),
        pipeline="StableCascade",
        network="unet",
        prediction=None,
        notes=("stable-cascade",),
    ),
    _family(
        "karlo",
        "Karlo",
        # its decoder, in pixels; diffusers keeps its pipelines among those that it gave up
        Mark(has={"conv_in.weight": (None, 3, 3, 3), "down_blocks.1.attentions.0.add_k_proj.weight": (None, 1536)}),
        pipeline="UnCLIP",
        network="unet",
        prediction=None,
        notes=("karlo",),
    ),
    _family(
        "kolors",
        "Kolors",
        Mark(has={"input_blocks.0.0.weight": None, "label_emb.0.0.weight": (1280, 5632)}),
        Mark(has={"down_blocks.0.resnets.0.conv1.weight": None, "encoder_hid_proj.weight": (2048, 4096)}),
        pipeline="Kolors",
        network="unet",
        prediction="epsilon",
        notes=("kolors",),
    ),
)
