"""`python -m tools.train_noisy_judge`: the head that names what is in noisy latents of the built-in model.

Pictures of the world are drawn and encoded once; then each step mixes some with noise of any level and asks what is in
them. One core takes ten minutes.
"""

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from pipelines.models.noisy_judge import WEIGHTS, NoisyJudge
from pipelines.prompts.things import THINGS
from tools import stepwise
from tools.train_builtin.judge import MODEL_PATH, load_pipeline
from tools.train_builtin.render import render
from tools.train_builtin.together import images_to_tensor
from tools.train_builtin.world import draw_picture, labels

RATE, BATCH, AT_ONCE = 2e-3, 48, 32
CHECKED = 256  # pictures that are never learned from
LEVELS = (0.99, 0.7, 0.3, 0.05)  # ᾱ at which it is measured


def encoded(work: Path, count: int) -> tuple[Tensor, Tensor]:
    """Scaled latents (count, 4, 32, 32) and labels (count, things), of the file that holds them or drawn anew."""
    file = work / f"latents-{count}.pt"
    if file.is_file():
        found: tuple[Tensor, Tensor] = torch.load(file, weights_only=True)
        return found
    vae = load_pipeline(MODEL_PATH, torch.float32).vae.eval().to(memory_format=torch.channels_last)
    rng, latents, told = random.Random("noisy judge"), list[Tensor](), list[list[int]]()
    for first in range(0, count, AT_ONCE):
        shown = [draw_picture(rng) for _ in range(min(AT_ONCE, count - first))]
        pixels = np.stack([np.asarray(render(one, rng).image) for one in shown])
        with torch.no_grad():
            latents.append(vae.encode(images_to_tensor(pixels, vae.device)).latent_dist.mean)
        told += [labels(one) for one in shown]
    found = torch.cat(latents).contiguous() * vae.config.scaling_factor, torch.tensor(told)
    work.mkdir(parents=True, exist_ok=True)
    torch.save(found, file)
    return found


def noised(latents: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    """With noise until so much of their power is left (images,), and the logarithm of signal over noise."""
    share = left[:, None, None, None]
    noisy = share.sqrt() * latents + (1 - share).sqrt() * torch.randn_like(latents)
    return noisy, (left / (1 - left)).log() / 2


def loss_of(judge: NoisyJudge, noisy: Tensor, signal: Tensor, told: Tensor) -> Tensor:
    answers = judge(noisy, signal)
    return torch.stack([functional.cross_entropy(one, told[:, place]) for place, one in enumerate(answers)]).sum()


def train(work: Path, count: int, steps: int) -> NoisyJudge:
    latents, told = encoded(work, count)
    latents, told = latents[CHECKED:], told[CHECKED:]
    torch.manual_seed(0)
    judge = NoisyJudge().train()

    def loss_at(step: int) -> Tensor:
        chance = stepwise.seeded("noisy judge", step)
        picked = torch.from_numpy(chance.integers(0, len(latents), BATCH))
        left = torch.from_numpy(chance.uniform(0.002, 0.999, BATCH).astype(np.float32))
        noisy, signal = noised(latents[picked], left)
        return loss_of(judge, noisy, signal, told[picked])

    stepwise.train(judge, loss_at, stepwise.Course(work=work, steps=steps, rate=RATE))
    return judge.eval()


@torch.no_grad()
def measure(judge: NoisyJudge, work: Path, count: int) -> dict[str, Any]:
    """Shares of the pictures that it never saw that it names rightly, by level and thing."""
    latents, told = (one[:CHECKED] for one in encoded(work, count))
    found = {}
    for level in LEVELS:
        torch.manual_seed(1)
        answers = judge(*noised(latents, torch.full((CHECKED,), level)))
        right = [(one.argmax(1) == told[:, place]).float().mean().item() for place, one in enumerate(answers)]
        found[f"{level:g}"] = {name: round(share, 3) for name, share in zip(THINGS, right, strict=True)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.train_noisy_judge", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".seedprint/train_noisy_judge"), help="checkpoint and data")
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--target", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    judge = train(options.work, options.pictures, options.steps)
    save_file({name: value.half().contiguous() for name, value in judge.state_dict().items()}, options.target)
    print(json.dumps(measure(judge, options.work, options.pictures), indent=1))


if __name__ == "__main__":
    main()
