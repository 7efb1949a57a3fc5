"""What an animation may begin with: an example, or the settings of a picture."""

from __future__ import annotations

from typing import Any

import yaml

from pipelines.fields import flat
from pipelines.groups import SEED_END
from pipelines.types import GenerationRequest

EXAMPLE = """\
fps: 10
prompt:
  0: a red star on a blue background
  15: a yellow moon on a black background
seed: {0: 7, 15: 8}
sampler: DDIM
steps: 12
"""
LAST = 15  # its last frame
_TAKEN = ("negative_prompt", "model", "vae", "clip_skip", "sampler", "schedule", "steps", "guidance", "width", "height")


def begun_of(request: GenerationRequest) -> str:
    """From the picture's prompt to the same, to be changed, and from its seed to the next."""
    told, plain = flat(request), flat(GenerationRequest())
    seed = request.seed or 0
    data: dict[str, Any] = {
        "fps": 10,
        "prompt": {0: request.prompt, LAST: request.prompt},
        "seed": {0: seed, LAST: (seed + 1) % SEED_END},
    }
    always = ("model", "sampler", "steps", "guidance", "width", "height")
    data |= {name: told[name] for name in _TAKEN if name in always or told[name] != plain[name]}
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=1000)
