"""The judge: a small convolutional network that names every attribute of a picture. It never sees the generator.

It learns from renders alone, held-out pairs included, with a little noise and blur so that a generator's slight
softness is not held against it. Colours are also checked without any learning (`colour_checks`).
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tools.train_builtin import data
from tools.train_builtin.render import PIXEL_BLOCK
from tools.train_builtin.together import Clock, Team, cosine, mixed, read_checkpoint, save_checkpoint, set_rate
from tools.train_builtin.world import COLOUR_NAMES, COLOURS, HEADS, Picture

RATE = 2e-3
BATCH = 48


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def roughness_within_blocks(x: Tensor) -> Tensor:
    """How far each pixel is from the mean of its 4x4 block (batch, 1, height, width): zero in true pixel art.

    Given to the judge as a fourth channel, because strided convolutions are slow to find out about blocks.
    """
    blocks = F.interpolate(F.avg_pool2d(x, PIXEL_BLOCK), scale_factor=PIXEL_BLOCK, mode="nearest")
    return (x - blocks).abs().mean(1, keepdim=True) * 4


class Judge(nn.Module):
    """(batch, 3, height, width) in 0..1 -> one score tensor (batch, classes) per head of `HEADS`."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(4, 24, 4, 2, 1), nn.ReLU(), _block(24, 40), _block(40, 72), _block(72, 112), _block(112, 144)
        )
        self.heads = nn.ModuleList(nn.Linear(144 * 16, len(classes)) for classes in HEADS.values())

    def forward(self, x: Tensor) -> list[Tensor]:
        x = torch.cat([x * 2 - 1, roughness_within_blocks(x)], 1)
        x = F.interpolate(x, (128, 128), mode="area") if x.shape[-2:] != (128, 128) else x
        z = self.features(x).flatten(1)  # (batch, 144 * 4 * 4)
        z = F.dropout(z, 0.25, self.training)
        return [head(z) for head in self.heads]

    @torch.no_grad()
    def read(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The class index of every head (n, heads) for images (n, height, width, 3)."""
        rows = []
        for start in range(0, len(images), 50):
            x = torch.from_numpy(images[start : start + 50]).permute(0, 3, 1, 2).float().div(255)
            rows.append(torch.stack([score.argmax(1) for score in self(x)], 1).numpy())
        return np.concatenate(rows)


def save(judge: Judge, path: Path) -> None:
    """Half precision safetensors: about two megabytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {key: v.half().contiguous() if v.is_floating_point() else v for key, v in judge.state_dict().items()}
    save_file(state, path)
    path.chmod(0o644)


def read(path: Path) -> Judge:
    """The saved judge, ready to look."""
    judge = Judge()
    judge.load_state_dict({key: v.float() if v.is_floating_point() else v for key, v in load_file(path).items()})
    return judge.eval()


def _disturbed(x: Tensor) -> Tensor:
    """Some blur and noise for half of the batch (the head "blurred" is for far stronger blur)."""
    if torch.rand(()) < 0.3:
        x = 0.5 * x + 0.5 * F.avg_pool2d(x, 3, 1, 1)
    return (x + torch.randn_like(x) * 0.03 * torch.rand(len(x), 1, 1, 1)).contiguous(memory_format=torch.channels_last)


def train(rank: int, processes: int, work: Path, seconds: float, target: Path) -> None:
    """Train on renders until the time is used up, then save to `target`."""
    team = Team(work, "judge", rank, processes)
    torch.manual_seed(7)
    judge = Judge()
    saved = read_checkpoint(work / "judge.pt")
    if saved:
        judge.load_state_dict(saved["weights"])
    judge.train()
    loaded = [data.load(work, "train", range(16, 30)), data.load(work, "judge")]
    images, labels = (np.concatenate([pair[i] for pair in loaded]) for i in (0, 1))
    parameters = list(judge.parameters())
    optimizer = torch.optim.AdamW([{"params": parameters, "base_lr": RATE}], RATE, weight_decay=0.02)
    clock = Clock(team, "judge", seconds, saved["spent"] if saved else 0.0)
    random = np.random.default_rng([rank, round(clock.spent)])
    step, progress = 0, clock.progress()
    while progress < 1:
        set_rate(optimizer, min(1.0, (step + 1) / 30) * cosine(progress))
        picked = random.integers(0, len(images), BATCH)
        x = _disturbed(torch.from_numpy(images[picked]).permute(0, 3, 1, 2).float().div(255))
        target_classes = torch.from_numpy(labels[picked].astype(np.int64))
        with mixed(team.device):
            scores = judge(x)
        loss = torch.stack([F.cross_entropy(s.float(), target_classes[:, i]) for i, s in enumerate(scores)]).sum()
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        if step % 10 == 0:
            progress = clock.progress()
            clock.note(loss=loss.item(), step=step)
            if clock.save_due():
                save_checkpoint(work / "judge.pt", {"weights": judge.state_dict(), "spent": clock.spent})
    save_checkpoint(work / "judge.pt", {"weights": judge.state_dict(), "spent": clock.spent})
    save(judge.eval(), target)
    for split in ("validation", "judge_test"):
        images, labels = data.load(work, split)
        right = (read(target).read(images) == labels).mean(0)
        print(split, {name: round(float(share), 3) for name, share in zip(HEADS, right, strict=True)})


def nearest_colour(pixels: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index of the nearest of the twelve colours for pixels (..., 3)."""
    palette = np.array([COLOURS[name] for name in COLOUR_NAMES], np.float64)
    nearest: NDArray[np.int64] = ((pixels[..., None, :] - palette) ** 2).sum(-1).argmin(-1)
    return nearest


def colour_checks(image: NDArray[np.uint8], picture: Picture) -> tuple[bool | None, bool]:
    """Without any learned part: is the plain background its colour (None for scenes), is the subject's colour there?

    Background: the median of the four corners, inside the paper border of a watercolour. Subject: its colour must be
    the nearest of the twelve for some share of the middle of the picture.
    """
    height, width = image.shape[:2]
    edge, deep = (12, 24) if picture.style == "watercolor" else (3, 14)
    rows = (slice(edge, deep), slice(height - deep, height - edge))
    columns = (slice(edge, deep), slice(width - deep, width - edge))
    corners = np.concatenate([image[row, column].reshape(-1, 3) for row in rows for column in columns]).astype(float)
    if picture.style == "watercolor":
        image = ((image.astype(float) - 51) / 0.8).clip(0, 255).astype(np.uint8)  # take the paleness back
        corners = (corners - 51) / 0.8
    background = None
    if picture.plain:
        background = bool(nearest_colour(np.median(corners, 0)) == COLOUR_NAMES.index(picture.background))
    share = (nearest_colour(image[::2, ::2].astype(float)) == COLOUR_NAMES.index(picture.colour)).mean()
    return background, bool(share > (0.015 if picture.size == "small" else 0.04))
