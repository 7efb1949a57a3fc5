"""What models that take plain text and have one sampler cannot be told: the `check` of SD 3, Flux and aMUSEd.
Whatever else a request wants is refused at its field. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.errors import InvalidRequest
from pipelines.families.base import Nature
from pipelines.fields import there
from pipelines.leading import Control, Reference
from pipelines.prompts.grammar import Prompt, parse
from pipelines.types import DIALECTS, TILINGS, Batch, GenerationRequest, ModelInfo

SAMPLER = "Euler"  # from noise to picture along a straight line: FlowMatchEulerDiscreteScheduler
SCHEDULER = "FlowMatchEulerDiscreteScheduler"
MASKED_CONTENTS = ("original", "fill")  # what the masked part begins from is drawn by the pipeline itself
SIDE_STEP = 16  # pixels: 8 a latent, and the transformer takes latents two by two
LOADS = "pipelines.engines.diffusers_pipeline:load"


@dataclass(frozen=True, kw_only=True, slots=True)
class Takes:
    """What such models take, each of its own kind."""

    sampler: str = SAMPLER
    side_step: int = SIDE_STEP
    masked_contents: tuple[str, ...] = MASKED_CONTENTS
    stops: bool = False  # it may end before its last step


FLOW = Takes()


def check(info: ModelInfo, request: GenerationRequest, nature: Nature, name: str, takes: Takes = FLOW) -> None:
    """Raises `InvalidRequest` for the first wish that such a model cannot be told. `name`: what it is called."""
    for field, wanted in (
        ("sampler", takes.sampler),
        ("schedule", "automatic"),
        ("clip_skip", 1),
        ("vae", "automatic"),
        ("dialect", DIALECTS[0]),
        ("tiling", TILINGS[0]),
        *(() if takes.stops else (("stop_after", 0),)),
    ):
        if (value := getattr(request, field)) != wanted:
            raise InvalidRequest(field, "only_with", wanted=wanted, model=name, value=value)
    for group in ("hires", "refiner", "tiles", "detail", "guiding", "regions", "variation", "reuse", "edit"):
        if getattr(request, group) is not None:
            raise InvalidRequest(group, "not_with", model=name, value=True)
    for field in ("prediction_type", "zero_terminal_snr"):
        if (value := getattr(request, field)) is not None:
            raise InvalidRequest(field, "not_with", model=name, value=value)
    for field in ("width", "height"):
        if (value := getattr(request, field)) % takes.side_step:
            raise InvalidRequest(field, "multiple_with", step=takes.side_step, model=name, value=value)
    _check_picture(request, nature, name, takes)
    plain_text("prompt", request.prompt, name)
    if plain_text("negative_prompt", request.negative_prompt, name) and not nature.negative:
        raise InvalidRequest("negative_prompt", "empty_with", model=name, value=request.negative_prompt)


def _check_picture(request: GenerationRequest, nature: Nature, name: str, takes: Takes) -> None:
    if request.guidance > 1 and not nature.guided:
        raise InvalidRequest("guidance", "no_guidance", model=name, high=1, value=request.guidance)
    if request.inpaint is not None and request.inpaint.masked_content not in takes.masked_contents:
        value, choices = request.inpaint.masked_content, takes.masked_contents
        raise InvalidRequest("masked_content", "choice_with", choices=choices, model=name, value=value)
    if request.inpaint is not None and request.inpaint.soft:
        raise InvalidRequest("soft", "not_with", model=name, value=True)
    if request.init is not None and request.init.image_guidance is not None:
        raise InvalidRequest("image_guidance", "not_with", model=name, value=request.init.image_guidance)
    for slot, control in there(request, Control).items():
        raise InvalidRequest(f"{slot}_model", "not_with", model=name, value=control.model)
    for slot, reference in there(request, Reference).items():
        raise InvalidRequest(f"{slot}_model", "not_with", model=name, value=reference.model)
    if request.unclip is not None:
        raise InvalidRequest("unclip_noise_level", "not_with", model=name, value=request.unclip.noise_level)


def check_watched(batch: Batch, name: str, *, films: bool = False) -> None:
    """Raises `InvalidRequest` for what such a model cannot show of its work. `films`: it shows its steps."""
    if batch.attention:
        raise InvalidRequest("attention", "no_attention_with", model=name)
    if batch.filming is not None and not films:
        raise InvalidRequest("filming", "no_film_with", model=name)
    if batch.dissolving is not None:
        raise InvalidRequest("dissolving", "no_latents_with", model=name)
    if batch.anatomy:
        raise InvalidRequest("anatomy", "no_anatomy_with", model=name)


def plain_text(field: str, text: str, name: str) -> str:
    """What the text encoders are given: brackets written with a backslash are letters. Raises `InvalidRequest` for
    whatever weighs, composes or changes words."""
    prompt = parse(text, composed=field == "prompt")
    if prompt.loras:
        raise InvalidRequest(field, "no_lora_with", model=name, name=prompt.loras[0].name)
    found = _plain(prompt)
    if found is None:
        raise InvalidRequest(field, "plain_text_with", model=name, value=text)
    return found


def _plain(prompt: Prompt) -> str | None:
    if len(prompt.parts) != 1 or prompt.changes:
        return None
    (part,) = prompt.at(1, 1)
    pieces = [piece for section in part.sections for piece in section]
    if len(part.sections) > 1 or any(piece.weight != 1 for piece in pieces):
        return None
    return "".join(piece.text for piece in pieces).strip()
