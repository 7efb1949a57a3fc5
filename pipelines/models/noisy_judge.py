"""The head that names what is in noisy latents of the built-in model: log p(y | x_t), whose gradient leads a picture.

Dhariwal & Nichol 2021, "Diffusion Models Beat GANs on Image Synthesis", arXiv:2105.05233, section 4. Trained by
`tools/train_noisy_judge.py` on the world of the built-in model, at every noise level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from pipelines.prompts.things import THINGS

WEIGHTS = Path(__file__).with_name("builtin-noisy-judge.safetensors")
WIDTHS = (40, 64, 96)
FIELDS = 4  # a side, of what the answers are read from
LIMIT = 6.0  # of the logarithm of signal over noise


class Block(nn.Module):
    """Half as large, then once more at that size, with the noise level in between."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(inputs, outputs, 4, 2, 1)
        self.level = nn.Linear(32, 2 * outputs)
        self.norm = nn.GroupNorm(8, outputs)
        self.on = nn.Conv2d(outputs, outputs, 3, 1, 1)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        x = self.down(x)
        scale, shift = self.level(level)[..., None, None].chunk(2, 1)
        found: Tensor = x + self.on(functional.silu(self.norm(x) * (1 + scale) + shift))
        return found


class NoisyJudge(nn.Module):
    """(images, 4, height, width) with alpha² + sigma² = 1, and log(alpha / sigma) of each (images,) -> scores
    (images, names) for each of `THINGS`."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Sequential(nn.Linear(1, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU())
        self.blocks = nn.ModuleList(Block(*pair) for pair in zip((4, *WIDTHS[:-1]), WIDTHS, strict=True))
        self.heads = nn.ModuleList(nn.Linear(WIDTHS[-1] * FIELDS**2, len(names)) for names in THINGS.values())

    def forward(self, x: Tensor, signal: Tensor) -> list[Tensor]:
        level = self.level(signal.clamp(-LIMIT, LIMIT)[:, None] / LIMIT)
        for block in self.blocks:
            x = block(x, level)
        if x.shape[-2:] != (FIELDS, FIELDS):
            x = functional.interpolate(x, (FIELDS, FIELDS), mode="area")
        flat = functional.silu(x).flatten(1)
        return [head(flat) for head in self.heads]


@cache
def shipped() -> NoisyJudge:
    """In float32, on the processor."""
    judge = NoisyJudge()
    judge.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    return judge.eval().requires_grad_(False)


@cache
def sha256() -> str:
    return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()


def likelihood(judge: NoisyJudge, noisy: Tensor, signal: float, things: Mapping[str, str]) -> Tensor:
    """log p(y | x_t) of each image (images,): of all things that are named, taken as independent."""
    answers = judge(noisy, torch.full((len(noisy),), signal))
    found = torch.zeros(len(noisy))
    for (thing, names), scores in zip(THINGS.items(), answers, strict=True):
        if thing in things:
            found = found + functional.log_softmax(scores, 1)[:, names.index(things[thing])]
    return found
