"""`python -m tools.train_upscaler`: a small network that doubles the built-in model's pictures.

python -m tools.train_upscaler --steps 30000    # trains, or goes on from the checkpoint; writes and measures
python -m tools.train_upscaler --measure        # only measures what was written

The pictures are drawn twice as large as the model's (`train_builtin.render`), made small again with antialiasing and
sent through the model's own VAE: what the network sees has the VAE's faults, and what it must give back has not. The
network is Real-ESRGAN's "compact" one (SRVGGNetCompact; Wang et al. 2021, arXiv 2107.10833), which spandrel and every
other program with upscalers reads.
"""

import argparse
import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipelines.upscaling.plain import OWN
from tools import stepwise
from tools.train_builtin.judge import MODEL_PATH
from tools.train_builtin.render import render
from tools.train_builtin.together import images_to_tensor, mixed
from tools.train_builtin.world import draw_picture

NAME = f"{OWN}.safetensors"  # what ships was 6,500 steps: PSNR 34.3 dB, edge error 0.84 (Lanczos 33.0 and 1.13)
SCALE, WIDTH, LAYERS = 2, 48, 10  # 0.86 MB in single precision
RATE = 1e-3
PICTURES, CROPS, EDGE = 3, 6, 40  # of a batch: pictures, crops of each, their edge in small pixels
CANDIDATES = 3  # places looked at for one crop: most of a flat picture teaches nothing
CLEAN = 0.2  # of the pictures never went through the VAE: other programs' pictures and photographs exist too
NOISE = 0.06  # at most so much (of the latents' spread) is put on the latents: the denoiser leaves some as well
SHAPES = ((128, 128), (128, 128), (128, 96), (96, 128))  # width, height
FILTERS = (Image.Resampling.BOX, Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
HELD_OUT = 200


class Compact(nn.Module):
    """SRVGGNetCompact with its keys: convolutions with PReLU at the small size, then a pixel shuffle beside nearest."""

    def __init__(self, width: int = WIDTH, layers: int = LAYERS) -> None:
        super().__init__()
        body: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1), nn.PReLU(width)]
        for _ in range(layers):
            body += [nn.Conv2d(width, width, 3, 1, 1), nn.PReLU(width)]
        body.append(nn.Conv2d(width, 3 * SCALE**2, 3, 1, 1))
        self.body = nn.ModuleList(body)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) in 0..1 to twice the height and width."""
        y = x
        for layer in self.body:
            y = layer(y)
        larger: Tensor = F.pixel_shuffle(y, SCALE) + F.interpolate(x, scale_factor=SCALE, mode="nearest")
        return larger


@dataclass(frozen=True)
class Pair:
    """A picture as the model gives it and what it should be at twice the size: (height, width, 3) in 0..255."""

    small: NDArray[np.uint8]
    large: NDArray[np.uint8]


@torch.no_grad()
def draw_pair(vae: AutoencoderKL, rng: random.Random, *, held_out: bool = False) -> Pair:
    """Draw one pair. Held-out ones (attribute pairs never met) are always spoiled by the VAE, without added noise."""
    width, height = (128, 128) if held_out else rng.choice(SHAPES)
    large = render(draw_picture(rng, held_out=held_out), rng, width=width, height=height, scale=SCALE).image
    small = np.array(large.resize((width, height), Image.Resampling.BOX if held_out else rng.choice(FILTERS)))
    if held_out or rng.random() >= CLEAN:
        latents = vae.encode(images_to_tensor(small[None], vae.device)).latent_dist.mean
        if not held_out:
            spread = rng.uniform(0, NOISE) / float(vae.config.scaling_factor)
            latents = latents + spread * torch.randn_like(latents)
        small = to_bytes(vae.decode(latents).sample[0] / 2 + 0.5)
    return Pair(small, np.asarray(large))


def to_bytes(x: Tensor) -> NDArray[np.uint8]:
    """(3, height, width) in 0..1 to (height, width, 3) in 0..255."""
    pixels: NDArray[np.uint8] = (x.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return pixels


def from_bytes(pixels: NDArray[np.uint8]) -> Tensor:
    """(batch, height, width, 3) in 0..255 to (batch, 3, height, width) in 0..1, channels last."""
    x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div(255)
    return x.contiguous(memory_format=torch.channels_last)


def crops_of(pair: Pair, rng: random.Random, count: int, edge: int) -> list[Pair]:
    """Square pieces of a pair, the liveliest of a few places each, turned over and about."""
    height, width = pair.small.shape[:2]
    crops = []
    for _ in range(count):
        places = [(rng.randint(0, height - edge), rng.randint(0, width - edge)) for _ in range(CANDIDATES)]
        top, left = max(places, key=lambda at: pair.small[at[0] : at[0] + edge, at[1] : at[1] + edge].std())
        small = pair.small[top : top + edge, left : left + edge]
        y, x, size = SCALE * top, SCALE * left, SCALE * edge
        large = pair.large[y : y + size, x : x + size]
        if rng.random() < 0.5:
            small, large = small[:, ::-1], large[:, ::-1]
        turns = rng.choice((0, 0, 0, 1, 2, 3))
        crops.append(Pair(np.rot90(small, turns), np.rot90(large, turns)))
    return crops


def loss_of(net: nn.Module, pairs: list[Pair]) -> Tensor:
    """Mean absolute error of pixels and of their differences to the next: where an edge is, and how sharp."""
    small, large = (from_bytes(np.stack(side)) for side in ([p.small for p in pairs], [p.large for p in pairs]))
    with mixed(small.device):
        guess = net(small)
    error = guess.float() - large
    edges = (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    loss: Tensor = error.abs().mean() + 0.5 * edges
    return loss


def edge_error(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Mean absolute difference of the two pictures' steps from pixel to pixel, in levels of 255."""
    difference = one.astype(np.float32) - other.astype(np.float32)
    return float(np.abs(np.diff(difference, axis=0)).mean() + np.abs(np.diff(difference, axis=1)).mean()) / 2


@torch.no_grad()
def measure(net: nn.Module, vae: AutoencoderKL, count: int = HELD_OUT) -> dict[str, dict[str, float]]:
    """PSNR (dB, of the mean squared error of all pictures) and edge error (levels) of the network and of Lanczos."""
    rng, met = random.Random("held out"), {"network": [], "Lanczos": []}  # type: ignore[var-annotated]
    for _ in range(count):
        pair = draw_pair(vae, rng, held_out=True)
        height, width = pair.large.shape[:2]
        lanczos = Image.fromarray(pair.small).resize((width, height), Image.Resampling.LANCZOS)
        guesses = {"network": to_bytes(net(from_bytes(pair.small[None]))[0]), "Lanczos": np.asarray(lanczos)}
        for name, guess in guesses.items():
            square = float(((guess.astype(np.float32) - pair.large) ** 2).mean())
            met[name].append((square, edge_error(guess, pair.large)))
    means = {name: np.mean(values, axis=0) for name, values in met.items()}
    return {
        name: {"psnr": round(10 * float(np.log10(255**2 / square)), 2), "edge error": round(float(edge), 3)}
        for name, (square, edge) in means.items()
    }


def train(work: Path, vae: AutoencoderKL, *, steps: int, stop_at: int | None = None, tiny: bool = False) -> Path:
    """Train (or go on training) and write the file; returns its path. `tiny`: a step of seconds, for tests."""
    torch.manual_seed(0)
    net = Compact(8, 1) if tiny else Compact()
    pictures, crops = (1, 2) if tiny else (PICTURES, CROPS)

    def loss_at(step: int) -> Tensor:
        stepwise.seeded("upscaler", step)
        rng = random.Random(f"upscaler {step}")
        pairs = [crop for _ in range(pictures) for crop in crops_of(draw_pair(vae, rng), rng, crops, EDGE)]
        return loss_of(net, pairs)

    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    stepwise.train(net, loss_at, stepwise.Course(work=work, steps=steps, rate=RATE), stop_at)
    path = work / NAME
    save_file({key: value.contiguous().clone() for key, value in net.state_dict().items()}, path)
    return path


def read(path: Path) -> Compact:
    """The written network."""
    weights = load_file(path)
    net = Compact(weights["body.0.weight"].shape[0], (len([k for k in weights if k.endswith(".bias")]) - 2))
    net.load_state_dict(weights)
    return net.eval()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.train_upscaler", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path(".seedprint/train_upscaler"), help="checkpoint and result")
    parser.add_argument("--model", type=Path, default=MODEL_PATH, help="whose VAE spoils the pictures")
    parser.add_argument("--steps", type=int, default=30_000, help="in all; about two a second on one core")
    parser.add_argument("--measure", action="store_true", help="do not train")
    options = parser.parse_args()
    torch.set_num_threads(1)
    vae = AutoencoderKL.from_pretrained(options.model / "vae", torch_dtype=torch.float32).eval().requires_grad_(False)
    vae.to(memory_format=torch.channels_last)
    path = options.work / NAME if options.measure else train(options.work, vae, steps=options.steps)
    figures = measure(read(path), vae)
    (options.work / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
