"""What diffusion is said to do, as experiments of the lab: each a grid made with the settings of one picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.errors import InvalidRequest
from pipelines.fields import build, flat_json
from pipelines.groups import SEED_END, Variation
from pipelines.types import GenerationRequest
from webui.archive import metadata
from webui.lab.axes import Axis
from webui.lab.experiments import NAME_LIMIT, Experiment
from webui.lab.questions import Grid
from webui.words import WORDS

SAMPLERS = ("DDIM", "DDPM")  # no noise is drawn on the way, and as much as the forward process put in
STEPS = (100, 50, 20, 10)  # the first is what others are held to
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # of the second seed or prompt
GUIDANCES = (1.0, 2.0, 4.0, 7.0, 10.0, 15.0)
STEP_SEEDS, GUIDANCE_SEEDS, BEST_OF = 2, 4, 16
# what an experiment has of a picture: how its model was asked, and nothing that was done to the picture besides
_TAKEN = (
    *("prompt", "negative_prompt", "model", "vae", "clip_skip", "dialect", "prediction_type", "zero_terminal_snr"),
    *("sampler", "schedule", "steps", "guidance", "seed", "width", "height"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """`base` has a seed."""

    base: GenerationRequest
    other_seed: int = 0
    other_prompt: str = ""


def base_of(path: Path) -> GenerationRequest:
    """How the model of a picture was asked for it. Raises InvalidRequest for a file that does not hold that."""
    record = metadata.read(path).record
    if record is None or record.kind != "image":
        raise InvalidRequest("file", "no_settings")
    told = flat_json(GenerationRequest, record.settings)
    return build(GenerationRequest, {name: told[name] for name in _TAKEN if name in told})


def experiment(kind: str, asked: Asked) -> Experiment:
    """One of `KINDS`. Raises InvalidRequest."""
    base, grid, seeds = KINDS[kind](asked)
    name = f"{WORDS[f'trial_{kind}'][0]}: {asked.base.prompt}"[:NAME_LIMIT]
    return Experiment(name=name, base=base, seeds=_seeds_from(base, seeds), question=Grid(axes=grid))


Made = tuple[GenerationRequest, tuple[Axis, ...], int]


def _steps(asked: Asked) -> Made:
    axes = Axis(field="sampler", values=SAMPLERS), Axis(field="steps", values=STEPS)
    return replace(asked.base, sampler=SAMPLERS[0], schedule="automatic"), axes, STEP_SEEDS


def _seeds(asked: Asked) -> Made:
    base = replace(_still(asked.base), variation=Variation(seed=asked.other_seed, strength=0))
    return base, (Axis(field="variation_strength", values=SHARES),), 1


def _prompts(asked: Asked) -> Made:
    if not asked.other_prompt.strip():
        raise InvalidRequest("prompt", "other_prompt_needed")
    prompts = tuple(mixed(asked.base.prompt, asked.other_prompt, share) for share in SHARES)
    return replace(_still(asked.base), dialect="compel"), (Axis(field="prompt", values=prompts),), 1


def _guidance(asked: Asked) -> Made:
    return asked.base, (Axis(field="guidance", values=GUIDANCES),), GUIDANCE_SEEDS


def _best(asked: Asked) -> Made:
    """Its seeds alone are what varies."""
    return asked.base, (Axis(field="seed", values=_seeds_from(asked.base, BEST_OF)),), BEST_OF


def _seeds_from(base: GenerationRequest, count: int) -> tuple[int, ...]:
    return tuple(((base.seed or 0) + place) % SEED_END for place in range(count))


def _still(base: GenerationRequest) -> GenerationRequest:
    """Nothing but what it begins with and what it is told moves its picture."""
    return replace(base, sampler=SAMPLERS[0], schedule="automatic")


def mixed(first: str, second: str, share: float) -> str:
    """In Compel's language: `share` of the second prompt's embedding and the rest of the first's."""
    quoted = (text.replace("\\", "").replace('"', "").strip() for text in (first, second))
    one, other = quoted
    return f'("{one}", "{other}").blend({1 - share:g}, {share:g})'


KINDS: Mapping[str, Callable[[Asked], Made]] = {
    "steps": _steps,
    "seeds": _seeds,
    "prompts": _prompts,
    "guidance": _guidance,
    "best": _best,
}
