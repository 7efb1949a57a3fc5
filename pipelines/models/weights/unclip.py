"""What an unCLIP model is told of a picture: Ramesh, Dhariwal, Nichol, Chu, Chen 2022, arXiv:2204.06125.

CLIP's vector of the picture, with some noise in it, and behind that how much it is.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import DDPMScheduler
from diffusers.models.embeddings import get_timestep_embedding
from safetensors.torch import load_file
from torch import Tensor

from pipelines.models.files.complete import NOISING
from pipelines.models.files.folders import weight_files


class Noising:
    """Of the model in this folder. In float32 on the processor, as its picture is seen."""

    def __init__(self, folder: Path) -> None:
        normalizer = load_file(weight_files(folder / "image_normalizer")[0])
        self._mean, self._std = (normalizer[name].float() for name in ("mean", "std"))  # (1, width)
        config = json.loads((folder / NOISING / "scheduler_config.json").read_text(encoding="utf-8"))
        self._scheduler = DDPMScheduler.from_config(config)

    def labels(self, seen: Tensor, noise: Tensor, level: int) -> Tensor:
        """What is seen (1, width), noise (images, width) -> what the network is told of each (images, 2 × width), as
        diffusers' `noise_image_embeddings` has it."""
        levels = torch.full((len(noise),), level)
        plain = ((seen - self._mean) / self._std).expand(noise.shape)
        noisy = self._scheduler.add_noise(plain, noise, levels) * self._std + self._mean
        how_much = get_timestep_embedding(levels, noise.shape[1], flip_sin_to_cos=True, downscale_freq_shift=0)
        return torch.cat([noisy, how_much], 1)
