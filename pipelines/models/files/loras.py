"""Which family a LoRA or LyCORIS file is made for, by its names and widths. Standard library only.

kohya's names end in `.lora_down.weight`, PEFT's in `.lora_A.weight`, LyCORIS' in many ways; what stands before says
which module of the network is changed, and the shape how wide that module is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipelines import families
from pipelines.families.base import Shapes, Tensors
from pipelines.families.sd import SD1

_DOWN = re.compile(
    r"(?:[._]lora)?[._](?:lora_down\.|lora_A\.|lora_a\.|lora\.down\.|down\.|lora_linear_layer\.down\.)(?:\w+\.)?weight$"
    r"|\.(?:hada_w1_b|diff|b2\.weight)$"
)  # a tensor whose second side is what goes into its module
_TEXT = re.compile(r"(?:down|up|mid|input|output|middle)_block.*attn2[._](?:processor[._])?to_[kv]$")  # of a UNet
_CLIP = re.compile(r"^(?:lora_te_|text_encoder\.).*self_attn[._]q_proj")
_LOKR = re.compile(r"(.*)\.lokr_w1(?:_b)?$")
# Those that are told by names alone, the closer ones first: what looks like Flux may be one that took after it
_BY_NAME = tuple(
    (
        family.name,
        re.compile("|".join(family.adapters) or r"(?!)"),
        [(re.compile(p), sides) for p, sides in family.widths],
    )
    for family in sorted(families.ALL.values(), key=lambda family: not family.like)
    if (family.adapters or family.widths) and family is not SD1
)


def family_of(tensors: Tensors) -> str:
    """The name of the family, or "unknown"."""
    widths = _widths(tensors.shapes)
    for module, width in widths.items():
        if _TEXT.search(module) and width in families.BY_WIDTH:
            return families.BY_WIDTH[width]
    for name, pattern, sides in _BY_NAME:
        if pattern.search(tensors.text) or any(_has(widths, *side) for side in sides):
            return name
    for module, width in widths.items():
        if _CLIP.search(module) and width in (768, 1024):
            return families.BY_WIDTH[width]
    # SDXL has no attention at its first level; SD 2 would have shown itself by its width
    silent = any(map(tensors.any_ends, (".on_input", ".oft_blocks", ".oft_diag")))  # of that width
    first_level = any(re.search(pattern, tensors.text) for pattern in SD1.adapters)
    return SD1.name if first_level and not silent else "unknown"


def _has(widths: Mapping[str, int], pattern: re.Pattern[str], wanted: tuple[int, ...]) -> bool:
    return any(width in wanted and pattern.search(module) for module, width in widths.items())


def _widths(shapes: Shapes) -> dict[str, int]:
    """Of each module that tells it, how much goes in."""
    found = {}
    for name, shape in shapes.items():
        if (match := _DOWN.search(name)) and len(shape) >= 2:
            found[name[: match.start()]] = shape[1]
        elif (match := _LOKR.match(name)) and len(shape) == 2:
            # a Kronecker product is as wide as its factors' widths multiplied
            second = shapes.get(f"{match[1]}.lokr_w2") or shapes.get(f"{match[1]}.lokr_w2_b") or ()
            if len(second) == 2:
                found[match[1]] = shape[1] * second[1]
    return found
