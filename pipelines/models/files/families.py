"""What a file of tensors is, told from their names and shapes alone. Standard library only.

Rules and widths: CompVis and Stability's published layouts, diffusers' and kohya's naming. A family is "sd1", "sd2",
"sdxl", "sdxl-refiner", "sd3", "sd3.5-medium", "sd3.5-large", "flux" or "unknown".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]

# Width of the text that a UNet's cross attention takes in
FAMILY_OF_WIDTH = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner"}
VARIANT_OF_CHANNELS = {4: "", 9: "inpaint", 8: "pix2pix", 5: "depth", 7: "upscale"}
TITLES = {
    "sd1": "SD 1.x",
    "sd2": "SD 2.x",
    "sdxl": "SDXL",
    "sdxl-refiner": "the SDXL refiner",
    "sd3": "SD 3",
    "sd3.5-medium": "SD 3.5 medium",
    "sd3.5-large": "SD 3.5 large",
    "flux": "Flux",
}
NOUNS = {
    "lora": "a LoRA",
    "lycoris": "a LyCORIS adapter",
    "vae": "a VAE",
    "tiny-vae": "a tiny VAE for previews",
    "embedding": "a textual inversion",
    "controlnet": "a ControlNet",
    "t2i-adapter": "a T2I adapter",
    "ip-adapter": "an IP adapter",
    "motion-module": "a motion module",
    "upscaler": "an upscaler",
    "text-encoder": "a text encoder",
    "image-encoder": "an image encoder",
    "unet": "a UNet alone, without text encoder and VAE",
    "transformer": "a transformer alone, without text encoders and VAE",
    "quantized": "a model quantized by bitsandbytes",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What the names and shapes tell. `prediction_type` None: they do not tell it."""

    kind: str
    family: str = "unknown"
    variant: str = ""
    prediction_type: str | None = None
    zero_terminal_snr: bool = False
    parts: tuple[str, ...] = ()
    because: str = ""  # why it is unknown


class Tensors:
    """Names and shapes, and all names as one text: searching that once is far quicker than asking each name."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self.text = "\n" + "\n".join(shapes) + "\n"

    def any_starts(self, *starts: str) -> bool:
        return any(f"\n{start}" in self.text for start in starts)

    def any_ends(self, end: str) -> bool:
        return f"{end}\n" in self.text


def find_family(shapes: Shapes) -> Finding:
    """The first rule that knows the file. The order matters: an adapter's names contain those of its base."""
    if not shapes:
        return Finding(kind="unknown", because="it holds no tensors")
    tensors = Tensors(shapes)
    for rule in (_adapter, _embedding, _named, _controlnet, _unet, _transformer, _vae, _image_encoder, _rest):
        found = rule(tensors)
        if found is not None:
            return found
    return Finding(kind="unknown", because=f"no known model has a tensor named {_first_name(shapes)}")


_LYCORIS = {
    ".hada_w1_a": "LoHa",
    ".lokr_w1": "LoKr",
    ".lokr_w1_a": "LoKr",
    ".oft_blocks": "OFT",
    ".oft_diag": "old OFT",
    ".on_input": "IA3",
    ".a1.weight": "GLoRA",
    ".dora_scale": "DoRA",
    ".lora_mid.weight": "LoCon",
}
_LORA_END = re.compile(
    r"\.(?:lora_(?:down|up|A|B|a|b)(?:\.\w+)?\.weight|lora\.(?:down|up)\.weight|lora_linear_layer\.(?:down|up)\.weight"
    r"|(?:processor\.)?\w+_lora\.(?:down|up)\.weight)$",
    re.MULTILINE,
)


def _adapter(tensors: Tensors) -> Finding | None:
    special = sorted({variant for end, variant in _LYCORIS.items() if tensors.any_ends(end)})
    if special:
        variant = "BOFT" if _is_butterfly(tensors.shapes) else special[0]
        return Finding(kind="lycoris", variant=variant, family=_adapter_family(tensors))
    if "lora" in tensors.text and _LORA_END.search(tensors.text):
        return Finding(kind="lora", family=_adapter_family(tensors))
    if tensors.any_ends(".diff"):
        return Finding(kind="lycoris", variant="full", family=_adapter_family(tensors))
    return None


def _is_butterfly(shapes: Shapes) -> bool:
    """OFT whose turns are products of several: one more dimension under the same name."""
    return any(len(shape) == 4 for name, shape in shapes.items() if name.endswith(".oft_blocks"))


_TEXT_WIDTH = re.compile(
    r"attn2[._](?:processor[._])?to_[kv](?:[._]lora)?[._](?:lora_down\.|lora_A\.|lora_a\.|lora\.down\.|down\.|"
    r"lora_linear_layer\.down\.)(?:\w+\.)?weight$|attn2[._]to_[kv]\.(?:hada_w1_b|diff|b2\.weight)$"
)
_CLIP_WIDTH = re.compile(
    r"^(?:lora_te_|text_encoder\.).*self_attn[._]q_proj.*(?:lora_down|lora_A|down)(?:\.\w+)?\.weight$"
)
_ADAPTER_MARKS = (
    (re.compile(r"[\n._](?:double_blocks|single_blocks|single_transformer_blocks)[._]\d"), "flux"),
    (re.compile(r"\n(?:lora_te[12]_|text_encoder_2\.|lora_unet_input_blocks_)"), "sdxl"),
    # only SDXL stacks more than two transformers at one place
    (re.compile(r"(?:down|up)_blocks[._]\d[._]attentions[._]\d[._]transformer_blocks[._][2-9]"), "sdxl"),
    (re.compile(r"joint_blocks[._]\d|transformer_blocks[._]\d+[._]attn[._]add_[kqv]_proj"), "sd3"),
)


_LOKR_TEXT = re.compile(r"(.*attn2[._]to_[kv])\.lokr_w1(?:_b)?$")


def _lokr_family(shapes: Shapes) -> str | None:
    """A Kronecker product is as wide as its factors' widths multiplied."""
    for match in filter(None, map(_LOKR_TEXT.match, shapes)):
        second = shapes.get(f"{match[1]}.lokr_w2") or shapes.get(f"{match[1]}.lokr_w2_b") or ()
        if len(shapes[match[0]]) == 2 and len(second) == 2:
            return FAMILY_OF_WIDTH.get(shapes[match[0]][1] * second[1])
    return None


def _adapter_family(tensors: Tensors) -> str:
    if family := _lokr_family(tensors.shapes):
        return family
    for name, shape in tensors.shapes.items():
        if "attn2" in name and _TEXT_WIDTH.search(name) and len(shape) >= 2 and shape[1] in FAMILY_OF_WIDTH:
            return FAMILY_OF_WIDTH[shape[1]]
    for pattern, family in _ADAPTER_MARKS:
        if pattern.search(tensors.text):
            return family
    for name, shape in tensors.shapes.items():
        if _CLIP_WIDTH.search(name) and len(shape) >= 2 and shape[1] in (768, 1024):
            return FAMILY_OF_WIDTH[shape[1]]
    # SDXL has no attention at its first level; SD 2 would have shown itself by the width of attn2
    silent = any(map(tensors.any_ends, (".on_input", ".oft_blocks", ".oft_diag")))  # of that width
    return "sd1" if not silent and re.search(r"down_blocks[._]0[._]attentions", tensors.text) else "unknown"


def _embedding(tensors: Tensors) -> Finding | None:
    shapes, names = tensors.shapes, tensors.shapes.keys()
    if names <= {"clip_l", "clip_g"}:
        return Finding(kind="embedding", family="sdxl" if "clip_g" in names else "sd1")
    shape = next(iter(shapes.values()))
    # one vector or a few of them under the name of the trigger
    single = len(names) == 1 and len(shape) <= 2 and shape[-1:] in ((768,), (1024,))
    single = single and not next(iter(names)).endswith(".weight")
    if single or names & {"emb_params", "string_to_param"}:
        shape = shapes.get("emb_params", shape)
        family = {768: "sd1", 1024: "sd2"}.get(shape[-1] if shape else 0, "unknown")
        return Finding(kind="embedding", family=family)
    return None


_MARKS = {
    "motion-module": ("\nmotion_modules.", ".motion_modules."),
    "ip-adapter": ("\nip_adapter.", "\nimage_proj."),
    "t2i-adapter": ("\nadapter.body.", "\nadapter.conv_in", "\nbody.0.in_conv."),
    "quantized": (".absmax\n", ".quant_state.bitsandbytes__nf4\n", ".quant_state.bitsandbytes__fp4\n"),
}


def _named(tensors: Tensors) -> Finding | None:
    for kind, marks in _MARKS.items():
        if any(mark in tensors.text for mark in marks):
            return Finding(kind=kind)
    return None


_CONTROL = (
    "control_model.",
    "controlnet_cond_embedding.",
    "input_hint_block.",
    "zero_convs.",
    "controlnet_down_blocks.",
)


def _controlnet(tensors: Tensors) -> Finding | None:
    if not tensors.any_starts(*_CONTROL):
        return None
    return Finding(kind="controlnet", family=_family_by_attention(tensors.shapes))


def _family_by_attention(shapes: Shapes) -> str:
    for name, shape in shapes.items():
        if name.endswith("attn2.to_k.weight") and len(shape) == 2:
            return FAMILY_OF_WIDTH.get(shape[1], "unknown")
    return "unknown"


_PARTS = (
    ("text_encoder", ("cond_stage_model.", "conditioner.embedders.", "text_encoders.")),
    ("vae", ("first_stage_model.decoder.", "vae.decoder.")),
    ("ema", ("model_ema.",)),
)


def _other_parts(tensors: Tensors) -> tuple[str, ...]:
    return tuple(part for part, starts in _PARTS if tensors.any_starts(*starts))


def _prefix(tensors: Tensors) -> str:
    prefix = "model.diffusion_model."
    return prefix if tensors.any_starts(prefix) else ""


def _unet(tensors: Tensors) -> Finding | None:
    """The original layout: `input_blocks`. Its first convolution counts the input channels."""
    shapes, prefix = tensors.shapes, _prefix(tensors)
    first = shapes.get(prefix + "input_blocks.0.0.weight")
    if first is None or len(first) != 4:
        return None
    key = ".1.transformer_blocks.0.attn2.to_k.weight"
    width = shapes.get(f"{prefix}input_blocks.2{key}") or shapes.get(f"{prefix}input_blocks.4{key}") or (0, 0)
    family = FAMILY_OF_WIDTH.get(width[-1], "unknown")
    if family == "unknown":
        return Finding(kind="unknown", because=f"its UNet takes text of width {width[-1]}, which no known family does")
    variant = VARIANT_OF_CHANNELS.get(first[1], f"{first[1]} input channels")
    if family == "sdxl" and prefix + "input_blocks.8.1.transformer_blocks.9.attn2.to_k.weight" not in shapes:
        variant = "distilled"  # SSD-1B, Vega: fewer blocks than SDXL, so another configuration
    parts = ("unet", *_other_parts(tensors))
    return Finding(
        kind="checkpoint" if len(parts) > 1 else "unet",
        family=family,
        variant=variant,
        prediction_type=_prediction(shapes, family, variant),
        zero_terminal_snr="ztsnr" in shapes,
        parts=parts,
    )


def _prediction(shapes: Shapes, family: str, variant: str) -> str | None:
    """Trainers mark v-prediction with an empty tensor of that name. SD 2 was published both ways, unmarked."""
    if "v_pred" in shapes:
        return "v_prediction"
    if "edm_mean" in shapes or "edm_vpred.sigma_max" in shapes:
        return "edm"
    return None if family == "sd2" and variant == "" else "epsilon"


_FLUX_KEYS = (
    "double_blocks.0.img_attn.norm.key_norm.scale",
    "double_blocks.0.img_attn.norm.key_norm.weight",
    "single_transformer_blocks.0.norm.linear.weight",  # diffusers' names
)


def _transformer(tensors: Tensors) -> Finding | None:
    shapes, prefix = tensors.shapes, _prefix(tensors)
    variant = ""
    if prefix + "joint_blocks.0.context_block.adaLN_modulation.1.bias" in shapes:
        large = prefix + "joint_blocks.37.x_block.attn.qkv.weight" in shapes
        medium = prefix + "joint_blocks.0.x_block.attn2.qkv.weight" in shapes
        family = "sd3.5-large" if large else "sd3.5-medium" if medium else "sd3"
    elif any(prefix + key in shapes for key in _FLUX_KEYS):
        family = "flux"
    else:
        return None
    if family == "flux":
        guided = "guidance_in." in tensors.text or "guidance_embedder." in tensors.text
        variant = "dev" if guided else "schnell"
    parts = ("transformer", *_other_parts(tensors))
    kind = "checkpoint" if "text_encoder" in parts else "transformer"
    return Finding(kind=kind, family=family, variant=variant, prediction_type="flow", parts=parts)


def _vae(tensors: Tensors) -> Finding | None:
    shapes = tensors.shapes
    for prefix in ("first_stage_model.", "vae.", ""):
        shape = shapes.get(prefix + "decoder.conv_in.weight")
        if shape is not None and len(shape) == 4:
            # SD 1, SD 2 and SDXL VAEs have the very same shapes: only the scale of their numbers differs
            family = {4: "sd1, sd2 or sdxl", 16: "sd3 or flux"}.get(shape[1], "unknown")
            return Finding(kind="vae", family=family, parts=("vae",))
    if "decoder.layers.0.weight" in shapes or "encoder.layers.0.weight" in shapes:
        return Finding(kind="tiny-vae", parts=("vae",))
    return None


PATCHES = "vision_model.embeddings.patch_embedding.weight"
PROJECTION = "visual_projection.weight"


def _image_encoder(tensors: Tensors) -> Finding | None:
    """CLIP in transformers' names, whole or its half that sees. Other networks that see have no such projection."""
    if PATCHES in tensors.shapes and PROJECTION in tensors.shapes:
        return Finding(kind="image-encoder", parts=("image_encoder",))
    return None


def _rest(tensors: Tensors) -> Finding | None:
    shapes = tensors.shapes
    if "down_blocks.0.resnets.0.conv1.weight" in shapes:
        first = shapes.get("conv_in.weight", (0, 4))
        family = _family_by_attention(shapes)
        return Finding(kind="unet", family=family, variant=VARIANT_OF_CHANNELS.get(first[1], ""), parts=("unet",))
    if tensors.any_ends("embeddings.token_embedding.weight"):
        return Finding(kind="text-encoder", parts=("text_encoder",))
    marks = ("conv_first.", "body.0.rdb1.", "model.0.weight", "model.1.sub.", "params_ema.", "params.conv_first.")
    if tensors.any_starts(*marks):
        return Finding(kind="upscaler")
    return None


def _first_name(shapes: Shapes) -> str:
    name = "".join(letter if letter.isprintable() else "?" for letter in next(iter(shapes)))
    return name if len(name) <= 60 else name[:57] + "…"
