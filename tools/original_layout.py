"""From diffusers' names of tensors to those of the original single files (CompVis, Stability, OpenCLIP).

The inverse of what diffusers does in `from_single_file`; a test loads the result through it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """One tensor of the single file, and the tensors of one part it is made of."""

    name: str
    part: str
    sources: tuple[str, ...]
    change: Literal["", "as convolution", "transpose", "join"] = ""

    def shape(self, of: Mapping[str, Shape]) -> Shape:
        first = of[self.sources[0]]
        if self.change == "as convolution":
            return (*first, 1, 1)
        if self.change == "transpose":
            return first[::-1]
        return (first[0] * len(self.sources), *first[1:])


def plan(name: str, parts: Mapping[str, Any], shapes: Mapping[str, Mapping[str, Shape]]) -> list[Planned]:
    """`shapes`: by part, diffusers' names -> shapes. `parts`: by part, the configurations."""
    planned = [
        Planned(name=f"model.diffusion_model.{unet_name(key, parts['unet'])}", part="unet", sources=(key,))
        for key in shapes["unet"]
    ]
    planned += _plan_vae(shapes["vae"], len(parts["vae"]["block_out_channels"]))
    if not name.startswith("sdxl"):
        if name.startswith("sd21"):
            text = _plan_open_clip("text_encoder", shapes["text_encoder"], "cond_stage_model.model.")
            return planned + text + _last_layer(text, parts["text_encoder"]["num_hidden_layers"])
        return planned + _plan_clip(shapes["text_encoder"], "cond_stage_model.transformer.")
    place = 0
    if "text_encoder" in shapes:
        planned += _plan_clip(shapes["text_encoder"], "conditioner.embedders.0.transformer.")
        place = 1
    return planned + _plan_open_clip(
        "text_encoder_2", shapes["text_encoder_2"], f"conditioner.embedders.{place}.model."
    )


_UNET_TOP = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "class_embedding.linear_1": "label_emb.0.0",
    "class_embedding.linear_2": "label_emb.0.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_BLOCK = re.compile(r"(down|up|mid)_blocks?\.(?:(\d+)\.)?(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)")


def unet_name(key: str, config: Mapping[str, Any]) -> str:
    """The original numbers all blocks in a row: per level so many layers and one change of size."""
    stem, _, end = key.rpartition(".")
    if stem in _UNET_TOP:
        return f"{_UNET_TOP[stem]}.{end}"
    match = _BLOCK.fullmatch(key)
    if match is None:
        raise KeyError(key)
    side, level, kind, number, rest = match[1], int(match[2] or 0), match[3], int(match[4]), match[5]
    if kind == "resnets":
        layer, _, end = rest.partition(".")
        rest = f"{_RESNET[layer]}.{end}"
    if side == "mid":
        return f"middle_block.{1 if kind == 'attentions' else 2 * number}.{rest}"
    layers = int(config["layers_per_block"])
    if side == "down":
        first = 1 + level * (layers + 1)
        if kind == "downsamplers":
            return f"input_blocks.{first + layers}.0.op.{rest.removeprefix('conv.')}"
        return f"input_blocks.{first + number}.{int(kind == 'attentions')}.{rest}"
    first = level * (layers + 1)
    if kind == "upsamplers":
        attends = "CrossAttn" in config["up_block_types"][level]
        return f"output_blocks.{first + layers}.{1 + int(attends)}.{rest}"
    return f"output_blocks.{first + number}.{int(kind == 'attentions')}.{rest}"


def vae_name(key: str, levels: int) -> str:
    """The decoder counts its levels from the smallest picture in diffusers, from the largest in the original."""
    key = key.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", key)
    for theirs, ours in (("group_norm", "norm"), ("to_out.0", "proj_out"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v")):
        key = key.replace(f"mid_block.attentions.0.{theirs}.", f"mid.attn_1.{ours}.")
    key = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", key)
    key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d)\.resnets", lambda found: f"up.{levels - 1 - int(found[1])}.block", key)
    return re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda found: f"up.{levels - 1 - int(found[1])}.upsample", key)


def _plan_vae(keys: Iterable[str], levels: int) -> list[Planned]:
    planned = []
    for key in keys:
        name = "first_stage_model." + vae_name(key, levels)
        convolved = re.search(r"attn_1\.(q|k|v|proj_out)\.weight$", name)
        change: Literal["", "as convolution"] = "as convolution" if convolved else ""
        planned.append(Planned(name=name, part="vae", sources=(key,), change=change))
    return planned


def _plan_clip(keys: Iterable[str], prefix: str) -> list[Planned]:
    # transformers dropped "text_model." from CLIPTextModel's names; the files keep it
    return [
        Planned(name=f"{prefix}text_model.{key.removeprefix('text_model.')}", part="text_encoder", sources=(key,))
        for key in keys
    ]


def _last_layer(text: list[Planned], count: int) -> list[Planned]:
    """SD 2 takes the last layer but one; the published files hold the last all the same, unused."""
    layer = f".resblocks.{count - 1}."
    return [replace(item, name=item.name.replace(layer, f".resblocks.{count}.")) for item in text if layer in item.name]


_OPEN_CLIP = (
    ("encoder.layers.", "transformer.resblocks."),
    ("embeddings.token_embedding.weight", "token_embedding.weight"),
    ("embeddings.position_embedding.weight", "positional_embedding"),
    ("final_layer_norm", "ln_final"),
    ("layer_norm", "ln_"),
    ("mlp.fc1", "mlp.c_fc"),
    ("mlp.fc2", "mlp.c_proj"),
    ("self_attn", "attn"),
)


def _plan_open_clip(part: str, keys: Iterable[str], prefix: str) -> list[Planned]:
    planned = []
    for key in keys:
        name = key.removeprefix("text_model.")
        for theirs, ours in _OPEN_CLIP:
            name = name.replace(theirs, ours)
        if ".attn.q_proj." in name:  # query, key and value lie in one tensor
            sources = tuple(key.replace("q_proj", f"{letter}_proj") for letter in "qkv")
            joined = prefix + name.replace("q_proj.", "in_proj_")
            planned.append(Planned(name=joined, part=part, sources=sources, change="join"))
        elif name == "text_projection.weight":
            planned.append(Planned(name=prefix + "text_projection", part=part, sources=(key,), change="transpose"))
        elif ".attn.k_proj." not in name and ".attn.v_proj." not in name:
            planned.append(Planned(name=prefix + name, part=part, sources=(key,)))
    return planned
