"""The VAE's decoder, taught once more at the end: to draw crisp pictures from latents as the UNet leaves them.

The UNet's last steps leave faint speckles and soft blocks that no encoder makes. So latents of known pictures are
noised, denoised by the UNet, and the decoder learns to give back the picture all the same. The encoder stays as it is,
and so do the latents: the UNet need not learn anything again.
"""

import math
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm  # type: ignore[import-untyped]
from transformers import CLIPTextModel

from tools.train_builtin import data, latents, unet
from tools.train_builtin.together import (
    Clock,
    Team,
    images_to_tensor,
    mixed,
    read_checkpoint,
)
from tools.train_builtin.vae import FACTOR, fit, psnr

PICTURES = 4000  # whose latents the UNet denoises, from the first shards
STEPS = 4
DEEPEST, SHALLOWEST = 0.5, 0.1  # noise levels to start from, as shares of the schedule: what is drawn stays what it was
BATCH, EDGE = 12, 64  # crops of so many pixels
CLEAN = 0.4  # of the batch: the encoder's own latents, so that real pictures come back as well as before


@torch.no_grad()
def denoised(work: Path, device: torch.device, count: int = PICTURES) -> NDArray[np.float16]:
    """Unscaled latents (n, 4, h, w) of the first pictures after noising and the UNet's denoising; kept in a file."""
    path = work / "denoised.npy"
    if path.exists():
        kept: NDArray[np.float16] = np.load(path)
        return kept
    state = unet.resume(work / "unet.pt", device)
    for parameter, mean in zip(state.unet.parameters(), state.mean.tensors, strict=True):
        parameter.copy_(mean)
    network = state.unet.eval()
    text = CLIPTextModel.from_pretrained(work / "text_encoder").eval().to(device)
    pictures = latents.load_all(work, 0, 1)["train"]
    scaling = float(AutoencoderKL.load_config(work / "vae")["scaling_factor"])
    torch.manual_seed(0)
    random, done = np.random.default_rng(0), []
    for start in tqdm(range(0, count, 20), desc="denoising", mininterval=10):
        z = torch.from_numpy(pictures.latents[start : start + 20].astype(np.float32)).to(device) * scaling
        ids = torch.from_numpy(pictures.ids[start : start + 20, 0].astype(np.int64)).to(device)
        share = DEEPEST + (SHALLOWEST - DEEPEST) * random.random()
        with mixed(device):
            hidden = text(input_ids=ids).last_hidden_state
            done.append((_again(network, z, hidden, share) / scaling).half().cpu().numpy())
    result = np.concatenate(done)
    np.save(path, result)
    return result


def _again(network: nn.Module, z: Tensor, hidden: Tensor, share: float) -> Tensor:
    """Scaled latents (batch, 4, h, w), noised up to a share of the schedule and denoised again."""
    scheduler: DPMSolverMultistepScheduler = unet.scheduler()
    scheduler.set_timesteps(round(STEPS / share))
    times = scheduler.timesteps[-STEPS:]
    scheduler.set_begin_index(len(scheduler.timesteps) - STEPS)
    z = scheduler.add_noise(z, torch.randn_like(z), times[:1].expand(len(z)))
    for t in times:
        z = scheduler.step(network(z, t.to(z.device), hidden).sample.float(), t, z).prev_sample
    return z


def loss_of(vae: AutoencoderKL, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Training loss and squared error of latents (batch, 4, h, w) whose pictures are x (batch, 3, 4h, 4w)."""
    with mixed(x.device):
        y = vae.decode(z).sample
    error = y.float() - x
    edges = (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return error.abs().mean() + edges, error.pow(2).mean().detach()


class Crops:
    """Random crops of pictures with their latents, some the encoder's own and some denoised ones."""

    def __init__(self, work: Path, device: torch.device, random: Generator) -> None:
        self.device, self.random = device, random
        self.denoised = denoised(work, device)
        count = len(self.denoised)
        shards = range(math.ceil(count / data.SHARD))
        self.images = data.load(work, "train", shards)[0][:count]
        self.clean = latents.load_all(work, 0, 1)["train"].latents[:count]

    def draw(self) -> tuple[Tensor, Tensor]:
        """Latents (batch, 4, edge/4, edge/4) and pictures (batch, 3, edge, edge)."""
        size = BATCH * (16 if self.device.type == "cuda" else 1)
        picked = self.random.integers(0, len(self.images), size)
        side = EDGE // FACTOR
        top, left = self.random.integers(0, self.clean.shape[-1] - side + 1, 2)
        part = np.s_[picked, :, top : top + side, left : left + side]
        own = (self.random.random(size) < CLEAN)[:, None, None, None]
        z = torch.from_numpy(np.where(own, self.clean[part], self.denoised[part]).astype(np.float32))
        rows, columns = (slice(at * FACTOR, at * FACTOR + EDGE) for at in (top, left))
        return z.to(self.device), images_to_tensor(self.images[picked, rows, columns], self.device)


def train(rank: int, processes: int, work: Path, seconds: float) -> None:
    """Train until the time is used up; resumes from `decoder.pt`."""
    team = Team(work, "decoder", rank, processes)
    vae = AutoencoderKL.from_pretrained(work / "vae").to(team.device)
    saved = read_checkpoint(work / "decoder.pt")
    if saved:
        vae.load_state_dict(saved["weights"])
    parameters = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    if team.leads:
        denoised(work, team.device)
    team.mean(0.0)  # the others wait for the file
    clock = Clock(team, "decoder", seconds, saved["spent"] if saved else 0.0)
    random = np.random.default_rng([rank, round(clock.spent)])
    crops = Crops(work, team.device, random)
    fit(vae, parameters, lambda _progress: loss_of(vae, *crops.draw()), clock, work / "decoder.pt")
    if team.leads:
        vae.save_pretrained(work / "vae")
        print(f"validation PSNR {psnr(vae, work):.2f} dB")
    team.leave()
