"""Pictures on disk: shards of a thousand, each seeded by its name, so that drawing resumes and repeats exactly."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm  # type: ignore[import-untyped]

from tools.train_builtin.captions import caption
from tools.train_builtin.render import render
from tools.train_builtin.world import draw_picture, labels

CAPTIONS_EACH = 5
SHARD = 1000


@dataclass(frozen=True, kw_only=True)
class Split:
    """One set of shards: how many, of which size (pixels), from which part of the world."""

    name: str
    shards: int
    width: int = 128
    height: int = 128
    held_out: bool = False
    two_share: float = 0.12


SPLITS = (
    Split(name="train", shards=30),
    Split(name="wide", shards=2, width=128, height=96),
    Split(name="tall", shards=2, width=96, height=128),
    Split(name="wider", shards=1, width=192, height=128),
    Split(name="taller", shards=1, width=128, height=192),
    Split(name="big", shards=1, width=160, height=160),
    Split(name="small", shards=2, width=96, height=96),
    Split(name="bigger", shards=1, width=192, height=192),
    Split(name="pairs", shards=3, two_share=1.0),  # more of what is hardest: which colour belongs to which subject
    Split(name="validation", shards=1, held_out=False),
    # The judge learns from these (and from `train`), never the generator: it must know the held-out pairs too.
    Split(name="judge", shards=4, held_out=True, two_share=0.2),
    Split(name="judge_test", shards=1, held_out=True, two_share=0.2),
)


def shard_path(work: Path, split: str, index: int) -> Path:
    """Where a shard lies."""
    return work / "data" / f"{split}_{index:03d}.npz"


def draw_shard(work: Path, split: Split, index: int) -> None:
    """Draw one shard: images (n, height, width, 3) uint8, labels (n, heads), boxes (n, 2, 4) pixels, captions."""
    path = shard_path(work, split.name, index)
    if path.exists():
        return
    rng = random.Random(f"{split.name} {index}")
    images, classes, boxes, texts = [], [], [], []
    for _ in range(SHARD):
        picture = draw_picture(rng, held_out=split.held_out, two_share=split.two_share)
        drawing = render(picture, rng, width=split.width, height=split.height)
        images.append(np.asarray(drawing.image))
        classes.append(labels(picture))
        boxes.append([*drawing.boxes, (0, 0, 0, 0)][:2])
        texts.append([caption(picture, rng) for _ in range(CAPTIONS_EACH)])
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez(
        part,
        images=np.stack(images),
        labels=np.array(classes, np.int16),
        boxes=np.array(boxes, np.int16),
        captions=np.array(json.dumps(texts)),
    )
    part.rename(path)


def draw_all(work: Path) -> None:
    """Draw whatever is missing (a minute or two)."""
    todo = [(split, index) for split in SPLITS for index in range(split.shards)]
    for split, index in tqdm(todo, desc="drawing", unit="shard"):
        draw_shard(work, split, index)


def load(work: Path, split: str, shards: range | None = None) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Images and labels of a split (or of some of its shards)."""
    count = next(entry.shards for entry in SPLITS if entry.name == split)
    loaded = [np.load(shard_path(work, split, index)) for index in (shards or range(count))]
    return np.concatenate([d["images"] for d in loaded]), np.concatenate([d["labels"] for d in loaded])


def shard_captions(shard: Mapping[str, Any]) -> list[list[str]]:
    """The captions of every picture of a loaded shard."""
    texts: list[list[str]] = json.loads(str(shard["captions"]))
    return texts
