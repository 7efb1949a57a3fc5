"""Models that diffusers' own pipelines run in one piece, SD 3 and Flux: what suits each, and what none can be told.

Such a pipeline takes plain text, has one sampler and keeps its parts to itself. Whatever else a request wants is
refused in one sentence at its field. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.errors import InvalidRequest
from pipelines.models.files.families import TITLES
from pipelines.prompts.grammar import Prompt, parse
from pipelines.types import DIALECTS, GenerationRequest, ModelInfo

SAMPLER = "Euler"  # from noise to picture along a straight line: FlowMatchEulerDiscreteScheduler
MASKED_CONTENTS = ("original", "fill")  # what the masked part begins from is drawn by the pipeline itself
SIDE_STEP = 16  # pixels: 8 a latent, and the transformer takes latents two by two


@dataclass(frozen=True, kw_only=True, slots=True)
class Nature:
    """As its makers published it. `tokens`: so many its longest text encoder reads."""

    steps: int
    guidance: float
    tokens: int
    guided: bool = True  # guidance does something
    negative: bool = False  # there is a half without the prompt, which a negative prompt can be told


_SD3 = Nature(steps=28, guidance=7.0, tokens=256, negative=True)
_NATURES: Mapping[tuple[str, str], Nature] = {
    ("sd3", ""): _SD3,
    ("sd3.5-medium", ""): Nature(steps=40, guidance=4.5, tokens=256, negative=True),
    ("sd3.5-large", ""): Nature(steps=28, guidance=3.5, tokens=256, negative=True),
    ("flux", "dev"): Nature(steps=28, guidance=3.5, tokens=512),
    # 1: none, as everywhere here
    ("flux", "schnell"): Nature(steps=4, guidance=1.0, tokens=256, guided=False),
}
FAMILIES = tuple(dict.fromkeys(family for family, _ in _NATURES))


def nature_of(family: str, variant: str) -> Nature:
    return _NATURES[family, variant]


def suits(family: str, variant: str) -> dict[str, Any]:
    """What `ModelInfo` tells of it; nothing of other families."""
    nature = _NATURES.get((family, variant))
    return {} if nature is None else {"steps": nature.steps, "guidance": nature.guidance, "sampler": SAMPLER}


def title(info: ModelInfo) -> str:
    return f"{TITLES[info.family]} {info.variant}".strip()


def check(info: ModelInfo, request: GenerationRequest) -> None:
    """Raises `InvalidRequest` for the first wish that a model of `FAMILIES` cannot be told."""
    nature, name = nature_of(info.family, info.variant), title(info)
    for field, wanted in (
        ("sampler", SAMPLER),
        ("schedule", "automatic"),
        ("clip_skip", 1),
        ("vae", "automatic"),
        ("dialect", DIALECTS[0]),
        ("prediction_type", None),
        ("zero_terminal_snr", None),
    ):
        value = getattr(request, field)
        if value != wanted:
            must = "be left out" if wanted is None else f"be {wanted}"
            raise InvalidRequest(field, f"must {must} with {name}, got {value!r}")
    for field in ("width", "height"):
        if getattr(request, field) % SIDE_STEP:
            raise InvalidRequest(field, f"must be a multiple of {SIDE_STEP} with {name}, got {getattr(request, field)}")
    if request.guidance > 1 and not nature.guided:
        raise InvalidRequest("guidance", f"must be at most 1 with {name}, which has none, got {request.guidance}")
    if request.inpaint is not None and request.inpaint.masked_content not in MASKED_CONTENTS:
        rule = f"must be {' or '.join(MASKED_CONTENTS)} with {name}, got {request.inpaint.masked_content!r}"
        raise InvalidRequest("masked_content", rule)
    if request.init is not None and request.init.image_guidance is not None:
        raise InvalidRequest("image_guidance", f"must be left out with {name}, got {request.init.image_guidance}")
    plain_text("prompt", request.prompt, name)
    if plain_text("negative_prompt", request.negative_prompt, name) and not nature.negative:
        raise InvalidRequest("negative_prompt", f"must be empty with {name}, got {request.negative_prompt!r}")


def plain_text(field: str, text: str, name: str) -> str:
    """What the text encoders are given: brackets written with a backslash are letters. Raises `InvalidRequest` for
    whatever weighs, composes or changes words."""
    prompt = parse(text, composed=field == "prompt")
    if prompt.loras:
        raise InvalidRequest(field, f"must not name a LoRA with {name}, got {prompt.loras[0].name!r}")
    found = _plain(prompt)
    if found is None:
        rule = f"must be plain text with {name}, without weights, AND, BREAK or changes over the steps, got {text!r}"
        raise InvalidRequest(field, rule)
    return found


def _plain(prompt: Prompt) -> str | None:
    if len(prompt.parts) != 1 or prompt.changes:
        return None
    (part,) = prompt.at(1, 1)
    pieces = [piece for section in part.sections for piece in section]
    if len(part.sections) > 1 or any(piece.weight != 1 for piece in pieces):
        return None
    return "".join(piece.text for piece in pieces).strip()
