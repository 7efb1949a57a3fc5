"""What a file of tensors is, told from their names and shapes alone. Standard library only.

What every family's network looks like stands in `pipelines.families`; here are the kinds of files beside them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipelines import families
from pipelines.errors import Note
from pipelines.families.base import Family, Mark, Shapes, Tensors
from pipelines.families.sd import SD1, SD2, UNCLIP
from pipelines.families.sdxl import SDXL
from pipelines.models.files import loras

VARIANT_OF_CHANNELS = {4: "", 9: "inpaint", 8: "pix2pix", 5: "depth", 7: "upscale"}
# What a file may be, beside "checkpoint" and "unknown": each has its noun in the words
KINDS = (
    "lora",
    "lycoris",
    "vae",
    "tiny-vae",
    "embedding",
    "controlnet",
    "t2i-adapter",
    "ip-adapter",
    "motion-module",
    "upscaler",
    "text-encoder",
    "image-encoder",
    "detector",
    "segmenter",
    "unet",
    "transformer",
    "quantized",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What the names and shapes tell. `prediction_type` None: they do not tell it."""

    kind: str
    family: str = "unknown"
    variant: str = ""
    prediction_type: str | None = None
    zero_terminal_snr: bool = False
    parts: tuple[str, ...] = ()
    fits: tuple[str, ...] = ()  # families that a VAE may be for
    seen: tuple[str, ...] = ()  # as `ModelInfo` has it
    because: Note | None = None  # why it is unknown


def find(shapes: Shapes) -> Finding:
    """The first rule that knows the file. The order matters: an adapter's names contain those of its base."""
    if not shapes:
        return Finding(kind="unknown", because=Note("no_tensors"))
    tensors = Tensors(shapes)
    rules = (
        *(_ip_adapter, _adapter, _embedding, _named, _quantized, _controlnet),
        *(_network, _unet, _vae, _image_encoder, _detector, _segmenter, _rest),
    )
    for rule in rules:
        found = rule(tensors)
        if found is not None:
            return found
    return Finding(kind="unknown", because=Note("no_known_tensor", name=_first_name(shapes)))


FACES = "face ID"  # IP-Adapters that are told of a face by a network of its own, which no program here has
WHOLE, PIECES = "whole", "pieces"  # what a CLIP vision model gives of a picture: one vector, or one of each piece


def _ip_adapter(tensors: Tensors) -> Finding | None:
    """By what makes the picture's words: a layer, two layers (full face) or a resampler (plus)."""
    if not tensors.any_starts("ip_adapter.", "image_proj."):
        return None
    shapes, start = tensors.shapes, "image_proj."
    width = next((shape[-1] for name, shape in shapes.items() if name.endswith(".to_k_ip.weight") and shape), 0)
    family = families.BY_WIDTH.get(width, "unknown")
    for name, variant, seen in (
        ("proj.weight", "", WHOLE),
        ("proj.3.weight", "full face", PIECES),
        ("latents", "plus", PIECES),
    ):
        reads = {"proj.3.weight": "proj.0.weight", "latents": "proj_in.weight"}.get(name, name)
        if start + name in shapes and (shape := shapes.get(start + reads)) and "perceiver" not in tensors.text:
            return Finding(kind="ip-adapter", family=family, variant=variant, seen=(f"{seen} {shape[-1]}",))
    return Finding(kind="ip-adapter", family=family, variant=FACES)


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
        return Finding(kind="lycoris", variant=variant, family=loras.family_of(tensors))
    if "lora" in tensors.text and _LORA_END.search(tensors.text):
        return Finding(kind="lora", family=loras.family_of(tensors))
    if tensors.any_ends(".diff"):
        return Finding(kind="lycoris", variant="full", family=loras.family_of(tensors))
    return None


def _is_butterfly(shapes: Shapes) -> bool:
    """OFT whose turns are products of several: one more dimension under the same name."""
    return any(len(shape) == 4 for name, shape in shapes.items() if name.endswith(".oft_blocks"))


_CLIP_WIDTHS = (SD1.text_width, SD2.text_width)  # whose text encoder is one CLIP


def _embedding(tensors: Tensors) -> Finding | None:
    shapes, names = tensors.shapes, tensors.shapes.keys()
    if names <= {"clip_l", "clip_g"}:
        return Finding(kind="embedding", family=(SDXL if "clip_g" in names else SD1).name)
    shape = next(iter(shapes.values()))
    # one vector or a few of them under the name of the trigger
    single = len(names) == 1 and len(shape) <= 2 and shape[-1:] in [(width,) for width in _CLIP_WIDTHS]
    single = single and not next(iter(names)).endswith(".weight")
    if single or names & {"emb_params", "string_to_param"}:
        shape = shapes.get("emb_params", shape)
        width = shape[-1] if shape else 0
        family = families.BY_WIDTH[width] if width in _CLIP_WIDTHS else "unknown"
        return Finding(kind="embedding", family=family)
    return None


_MARKS = {
    "motion-module": ("\nmotion_modules.", ".motion_modules."),
    "t2i-adapter": ("\nadapter.body.", "\nadapter.conv_in", "\nbody.0.in_conv."),
}


def _named(tensors: Tensors) -> Finding | None:
    for kind, marks in _MARKS.items():
        if any(mark in tensors.text for mark in marks):
            return Finding(kind=kind)
    return None


_PACKED = (".absmax\n", ".quant_state.bitsandbytes__nf4\n", ".quant_state.bitsandbytes__fp4\n")


def _quantized(tensors: Tensors) -> Finding | None:
    """Packed by bitsandbytes: the names are the network's own still, the shapes are not."""
    if not any(mark in tensors.text for mark in _PACKED):
        return None
    found = _family_of(tensors)
    return Finding(kind="quantized", family=found[1].name if found is not None else "unknown")


_CONTROL = (
    "control_model.",
    "controlnet_cond_embedding.",
    "input_hint_block.",
    "zero_convs.",
    "controlnet_down_blocks.",
)


_OTHER_CONTROLS = {"\nlora_controlnet\n": "Control-LoRA", "\ntask_embedding\n": "union"}


def _controlnet(tensors: Tensors) -> Finding | None:
    if not tensors.any_starts(*_CONTROL):
        return None
    variant = next((name for mark, name in _OTHER_CONTROLS.items() if mark in tensors.text), "")
    return Finding(kind="controlnet", family=_family_by_attention(tensors.shapes), variant=variant)


def _family_by_attention(shapes: Shapes) -> str:
    for name, shape in shapes.items():
        if name.endswith("attn2.to_k.weight") and len(shape) == 2:
            return families.BY_WIDTH.get(shape[1], "unknown")
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
    width = _text_width(shapes, prefix)
    family = families.BY_WIDTH.get(width, "unknown")
    if family == "unknown":
        return Finding(kind="unknown", because=Note("no_known_width", width=width))
    variant = VARIANT_OF_CHANNELS.get(first[1], f"{first[1]} input channels")
    if (last := families.of(family).last_block) and prefix + last not in shapes:
        variant = "distilled"  # SSD-1B, Vega: fewer blocks than SDXL, so another configuration
    if family == SD2.name and prefix + "label_emb.0.0.weight" in shapes:
        variant = UNCLIP
    parts = ("unet", *_other_parts(tensors))
    return Finding(
        kind="checkpoint" if len(parts) > 1 else "unet",
        family=family,
        variant=variant,
        prediction_type=_prediction(shapes, family, variant),
        zero_terminal_snr="ztsnr" in shapes,
        parts=parts,
    )


def _text_width(shapes: Shapes, prefix: str) -> int:
    """Of the text that a UNet's cross attention takes in; 0: it says nothing of it."""
    key = ".1.transformer_blocks.0.attn2.to_k.weight"
    width = shapes.get(f"{prefix}input_blocks.2{key}") or shapes.get(f"{prefix}input_blocks.4{key}") or (0,)
    return width[-1]


def _prediction(shapes: Shapes, family: str, variant: str) -> str | None:
    """Trainers mark v-prediction with an empty tensor of that name. SD 2 was published both ways, unmarked."""
    if "v_pred" in shapes:
        return "v_prediction"
    if "edm_mean" in shapes or "edm_vpred.sigma_max" in shapes:
        return "edm"
    return None if families.of(family).both_predictions and variant == "" else "epsilon"


def _family_of(tensors: Tensors) -> tuple[str, Family] | None:
    """The family that a network alone is of, and what stands before its names."""
    for family in families.ALL.values():
        for mark in family.marks:
            if (prefix := mark.prefix_in(tensors)) is not None:
                return prefix, family
    return None


def _network(tensors: Tensors) -> Finding | None:
    """Families that are known by the names in their network."""
    found = _family_of(tensors)
    if found is None:
        return None
    prefix, family = found
    parts = (family.network, *_other_parts(tensors))
    return Finding(
        kind="checkpoint" if "text_encoder" in parts else family.network,
        family=family.name,
        variant=family.variant_of(tensors, prefix),
        prediction_type=family.prediction,
        parts=parts,
    )


def _vae(tensors: Tensors) -> Finding | None:
    shapes = tensors.shapes
    for prefix in ("first_stage_model.", "vae.", ""):
        shape = shapes.get(prefix + "decoder.conv_in.weight")
        if shape is not None and len(shape) == 4:
            # those of SD 1, SD 2 and SDXL have the very same shapes: only the scale of their numbers differs
            fits = tuple(one.name for one in families.ALL.values() if one.runs and one.channels == shape[1])
            return Finding(kind="vae", fits=fits, parts=("vae",))
    if "decoder.layers.0.weight" in shapes or "encoder.layers.0.weight" in shapes:
        return Finding(kind="tiny-vae", parts=("vae",))
    return None


PATCHES = "vision_model.embeddings.patch_embedding.weight"
PROJECTION = "visual_projection.weight"
_READS = ("text_model.embeddings.token_embedding.weight", "text_projection.weight")


def _image_encoder(tensors: Tensors) -> Finding | None:
    """CLIP in transformers' names, whole or its half that sees. Other networks that see have no such projection."""
    patches, projection = (tensors.shapes.get(name) for name in (PATCHES, PROJECTION))
    if patches and projection and (len(patches), len(projection)) == (4, 2):
        seen = f"{WHOLE} {projection[0]}", f"{PIECES} {patches[0]}"
        reads = all(name in tensors.shapes for name in _READS)
        return Finding(kind="image-encoder", parts=("image_encoder", *(("text_encoder",) if reads else ())), seen=seen)
    return None


_DETECTORS = (
    "model.enc_score_head.weight",  # RT-DETR and D-FINE
    "vit.embeddings.detection_tokens",  # YOLOS
    "model.input_proj_vision.0.0.weight",  # Grounding DINO
    "decoder.film_mul.weight",  # CLIPSeg
)


def _detector(tensors: Tensors) -> Finding | None:
    return Finding(kind="detector") if any(name in tensors.shapes for name in _DETECTORS) else None


_SEGMENTER = ("no_memory_embedding", "vision_encoder.backbone.patch_embed.projection.weight")  # SAM 2


def _segmenter(tensors: Tensors) -> Finding | None:
    return Finding(kind="segmenter") if all(name in tensors.shapes for name in _SEGMENTER) else None


_T5, _LAYER, _GEMMA = "encoder.block.0.layer.", "layers.0.", "layers.0.pre_feedforward_layernorm.weight"
# Language models that read prompts: the names and widths of transformers' networks, as the text models published them
_LANGUAGE_MODELS = (
    ("UMT5", Mark(has={"encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight": None})),
    ("T5-XXL", Mark(has={f"{_T5}1.DenseReluDense.wi_1.weight": (10240, 4096)})),
    ("T5", Mark(has={f"{_T5}0.SelfAttention.k.weight": None})),
    ("Qwen2.5-VL", Mark(has={f"{_LAYER}self_attn.k_proj.bias": None, f"{_LAYER}mlp.gate_proj.weight": None})),
    ("Gemma 3", Mark(has={_GEMMA: None, f"{_LAYER}self_attn.q_norm.weight": None})),
    ("Gemma 2", Mark(has={_GEMMA: None})),
    *(
        (f"Qwen3 {size}", Mark(has={f"{_LAYER}self_attn.q_norm.weight": None, "embed_tokens.weight": (151936, width)}))
        for size, width in (("0.6B", 1024), ("1.7B", 2048), ("4B", 2560), ("8B", 4096))
    ),
    ("Llama", Mark(has={f"{_LAYER}self_attn.k_proj.weight": None, f"{_LAYER}mlp.gate_proj.weight": None})),
)


def _rest(tensors: Tensors) -> Finding | None:
    shapes = tensors.shapes
    if "down_blocks.0.resnets.0.conv1.weight" in shapes:
        first = shapes.get("conv_in.weight", (0, 4))
        family = _family_by_attention(shapes)
        return Finding(kind="unet", family=family, variant=VARIANT_OF_CHANNELS.get(first[1], ""), parts=("unet",))
    if tensors.any_ends("embeddings.token_embedding.weight"):
        return Finding(kind="text-encoder", variant="CLIP", parts=("text_encoder",))
    for name, mark in _LANGUAGE_MODELS:
        if mark.prefix_in(tensors) is not None:
            return Finding(kind="text-encoder", variant=name, parts=("text_encoder",))
    return Finding(kind="upscaler") if _is_upscaler(tensors) else None


_UPSCALERS = (  # ESRGAN (old and new names), SwinIR, DAT and HAT, SPAN, and what trainers save beside their state
    *("conv_first.", "body.0.rdb1.", "model.0.weight", "model.1.sub.", "block_1.c1_r."),
    *("params_ema.", "params."),
)


def _is_upscaler(tensors: Tensors) -> bool:
    """The last one, Real-ESRGAN's compact network, is convolutions and what follows each, numbered."""
    first, second = (tensors.shapes.get(f"body.{number}.weight", ()) for number in (0, 1))
    return tensors.any_starts(*_UPSCALERS) or (len(first) == 4 and first[1] in (1, 3) and second == first[:1])


def _first_name(shapes: Shapes) -> str:
    name = "".join(letter if letter.isprintable() else "?" for letter in next(iter(shapes)))
    return name if len(name) <= 60 else name[:57] + "…"
