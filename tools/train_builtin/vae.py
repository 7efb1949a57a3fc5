"""The VAE: 128x128x3 pixels <-> 32x32x4 latents, started as an average pool so that it need not discover colour."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from numpy.typing import NDArray
from torch import Tensor, nn

from tools.train_builtin import data
from tools.train_builtin.together import (
    Clock,
    Team,
    cosine,
    images_to_tensor,
    mixed,
    read_checkpoint,
    save_checkpoint,
    set_rate,
)

WIDTHS = (24, 48, 64)
FACTOR = 4  # pixels per latent pixel
RATE = 1.2e-3
KL_WEIGHT = 1e-4  # very light: latents stay near the picture, and sampling noise keeps them smooth
AVERAGE_EVERY = 8
FAINTEST = 0.35  # of the widest channel's spread
CARRIERS = 12  # channels that carry +-RGB (6) and +-constants (6) through the network at the start


def build() -> AutoencoderKL:
    """The untrained network. Two norm groups only: more would take the brightness out of every group."""
    levels = len(WIDTHS)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=WIDTHS,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=128,
        mid_block_add_attention=False,
    )


@torch.no_grad()
def start_as_average_pool(vae: AutoencoderKL) -> None:
    """Residual branches silent, shortcuts the identity, down = mean of 2x2, up = nearest, RGB straight through.

    The one nonlinearity on that path, silu before each last convolution, is undone by carrying +x and -x:
    silu(x) - silu(-x) = x. Constant channels beside them keep the group norm from amplifying flat pictures.
    """
    for module in vae.modules():
        if isinstance(module, ResnetBlock2D):
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)
            if module.conv_shortcut is not None:
                _pass_through(module.conv_shortcut, {(0, 0): 1.0})
        elif isinstance(module, Downsample2D):
            _pass_through(module.conv, {(y, x): 0.25 for y in (0, 1) for x in (0, 1)})
        elif isinstance(module, Upsample2D):
            _pass_through(module.conv, {(1, 1): 1.0})
    for first in (vae.encoder.conv_in, vae.decoder.conv_in):
        first.weight[:CARRIERS] = 0
        nn.init.zeros_(first.bias)
        for channel in range(3):
            first.weight[channel, channel, 1, 1] = 1.0
            first.weight[3 + channel, channel, 1, 1] = -1.0
        first.bias[6:CARRIERS] = torch.tensor([1.2, -1.2] * 3)
    for last in (vae.encoder.conv_out, vae.decoder.conv_out):
        last.weight.mul_(0.05)
        last.weight[:3] = 0
        nn.init.zeros_(last.bias)
        for channel in range(3):
            last.weight[channel, channel, 1, 1] = 1.0
            last.weight[channel, 3 + channel, 1, 1] = -1.0
    vae.encoder.conv_out.weight[4:] = 0
    vae.encoder.conv_out.bias[4:] = -5.0  # log variance
    vae.quant_conv.weight.copy_(torch.eye(8)[:, :, None, None])
    vae.post_quant_conv.weight.copy_(torch.eye(4)[:, :, None, None])
    nn.init.zeros_(vae.quant_conv.bias)
    nn.init.zeros_(vae.post_quant_conv.bias)


def _pass_through(conv: nn.Conv2d, taps: dict[tuple[int, int], float]) -> None:
    """Output channel i is input channel i, weighted by the taps (row, column); new channels begin as faint noise."""
    weight = torch.randn_like(conv.weight) * 0.02
    shared = min(conv.out_channels, conv.in_channels)
    weight[:shared] = 0
    for (row, column), value in taps.items():
        weight[torch.arange(shared), torch.arange(shared), row, column] = value
    conv.weight.copy_(weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


def loss_of(vae: AutoencoderKL, x: Tensor) -> tuple[Tensor, Tensor]:
    """The training loss and the squared error of a batch (batch, 3, height, width)."""
    with mixed(x.device):
        posterior = vae.encode(x).latent_dist
        y = vae.decode(posterior.sample()).sample
    error = y.float() - x
    edges = (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    square = error.pow(2).mean()
    mean, log_variance = posterior.mean.float(), posterior.logvar.float()
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
    return error.abs().mean() + 2 * square + 0.5 * edges + KL_WEIGHT * kl, square.detach()


def train(rank: int, processes: int, work: Path, seconds: float) -> None:
    """Train until the time is used up: crops of 64 first, whole pictures at the end."""
    team = Team(work, "vae", rank, processes)
    torch.manual_seed(0)
    vae = build()
    start_as_average_pool(vae)
    saved = read_checkpoint(work / "vae.pt")
    if saved:
        vae.load_state_dict(saved["weights"])
    vae.train().to(team.device, memory_format=torch.channels_last)
    images, _ = data.load(work, "train", range(rank, 16, processes))
    clock = Clock(team, "vae", seconds, saved["spent"] if saved else 0.0)
    random = np.random.default_rng([rank, round(clock.spent)])
    torch.manual_seed(rank)
    scale = 16 if team.device.type == "cuda" else 1

    def losses(progress: float) -> tuple[Tensor, Tensor]:
        edge, batch = (64, 12) if progress < 0.8 else (128, 3)
        picked = random.integers(0, len(images), batch * scale)
        top, left = random.integers(0, (128 - edge) // FACTOR + 1, 2) * FACTOR
        return loss_of(vae, images_to_tensor(images[picked, top : top + edge, left : left + edge], team.device))

    fit(vae, list(vae.parameters()), losses, clock, work / "vae.pt")
    if team.leads:
        balance_channels(vae.eval(), images)
        vae.register_to_config(scaling_factor=scaling_factor(vae, images))
        vae.save_pretrained(work / "vae")
        print(f"validation PSNR {psnr(vae, work):.2f} dB")
    team.leave()


def fit(
    vae: AutoencoderKL,
    parameters: list[nn.Parameter],
    losses: Callable[[float], tuple[Tensor, Tensor]],
    clock: Clock,
    path: Path,
) -> None:
    """Train these parameters until the clock ends. `losses`: progress -> loss and squared error; checkpoint: `path`."""
    optimizer = torch.optim.AdamW([{"params": parameters, "base_lr": RATE}], RATE, betas=(0.9, 0.99), weight_decay=1e-4)
    step, progress, smooth = 0, clock.progress(), 0.0

    def save() -> None:
        if clock.team.leads:
            save_checkpoint(path, {"weights": vae.state_dict(), "spent": clock.spent})

    while progress < 1:
        set_rate(optimizer, min(1.0, (step + 1) / 50) * cosine(progress))
        loss, square = losses(progress)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        if step % AVERAGE_EVERY == 0:
            smooth = 0.9 * smooth + 0.1 * square.item() if smooth else square.item()
            clock.team.average(parameters)
            progress = clock.progress()
            clock.note(psnr=-10 * math.log10(smooth / 4), step=step)
            if clock.save_due():
                save()
    save()


@torch.no_grad()
def balance_channels(vae: AutoencoderKL, images: NDArray[np.uint8]) -> None:
    """Widen latent channels whose spread is far below the others', and narrow them again before decoding.

    The picture is the same, but the UNet adds the same noise to every channel: a faint one would drown in it until the
    very last steps. (The fourth channel, which carries edges, ends up about seven times fainter than the colours.)
    """
    means = [vae.encode(images_to_tensor(images[i : i + 10], vae.device)).latent_dist.mean for i in range(0, 200, 10)]
    spread = torch.cat(means).std((0, 2, 3))  # (4,)
    for channel in range(4):
        gain = float(FAINTEST * spread.max() / spread[channel])
        if gain <= 1:
            continue
        vae.quant_conv.weight[channel].mul_(gain)
        vae.quant_conv.bias[channel].mul_(gain)
        vae.quant_conv.bias[4 + channel].add_(2 * math.log(gain))  # log variance
        vae.post_quant_conv.weight[:, channel].div_(gain)


@torch.no_grad()
def scaling_factor(vae: AutoencoderKL, images: NDArray[np.uint8]) -> float:
    """Brings latents to unit variance."""
    means = [vae.encode(images_to_tensor(images[i : i + 10], vae.device)).latent_dist.mean for i in range(0, 200, 10)]
    return round(1 / float(torch.cat(means).std()), 4)


@torch.no_grad()
def psnr(vae: AutoencoderKL, work: Path, count: int = 100) -> float:
    """Peak signal to noise over whole validation pictures, dB (mean of the pictures' squared errors)."""
    images, _ = data.load(work, "validation")
    device = next(vae.parameters()).device
    errors = []
    for start in range(0, count, 10):
        x = images_to_tensor(images[start : start + 10], device)
        y = vae.decode(vae.encode(x).latent_dist.mean).sample.clamp(-1, 1)
        errors.append(F.mse_loss(y, x).item())
    return -10 * math.log10(sum(errors) / len(errors) / 4)
