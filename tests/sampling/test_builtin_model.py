"""The model that ships with the project, through the default sampler: a picture, not noise."""

from pathlib import Path

import diffusers
import pytest
import torch

from pipelines.sampling.noise import generators, randn
from pipelines.sampling.schedulers import make_scheduler, step, timesteps_for
from tests.sampling.common import OLD_NUMPY

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings(OLD_NUMPY)]

FOLDER = Path(__file__).resolve().parents[2] / "pipelines" / "builtin"


def roughness(picture: torch.Tensor) -> float:
    """Mean difference of neighbours over the spread: 0 for a plane, about 1.1 for white noise."""
    return float(picture.diff(dim=-1).abs().mean() / picture.std())


@torch.inference_mode()
def test_the_built_in_model_makes_a_smooth_picture() -> None:
    unet = diffusers.UNet2DConditionModel.from_pretrained(FOLDER / "unet", local_files_only=True).eval()
    vae = diffusers.AutoencoderKL.from_pretrained(FOLDER / "vae", local_files_only=True).eval()
    config = diffusers.DPMSolverMultistepScheduler.load_config(FOLDER / "scheduler", local_files_only=True)
    scheduler = make_scheduler("DPM++ 2M", "automatic", config, [1])
    own = generators([1])
    noise = randn((unet.config.in_channels, unet.config.sample_size, unet.config.sample_size), own)
    words = torch.zeros(1, 77, unet.config.cross_attention_dim)
    latents = noise * scheduler.init_noise_sigma
    for timestep in timesteps_for(scheduler, 8, 8):
        seen = scheduler.scale_model_input(latents, timestep)
        prediction = unet(seen, timestep, encoder_hidden_states=words, return_dict=False)[0]
        latents = step(scheduler, prediction, timestep, latents, own)
    picture = vae.decode(latents / vae.config.scaling_factor, return_dict=False)[0]
    assert torch.isfinite(picture).all()
    assert 0.05 < float(picture.std()) < 2
    assert float(picture.mean().abs()) < 1
    assert roughness(latents) < 0.8 < roughness(noise)
