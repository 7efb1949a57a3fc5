"""Encode every picture and caption once, so that the UNet's training neither draws nor encodes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from tqdm import tqdm  # type: ignore[import-untyped]

from tools.train_builtin import data
from tools.train_builtin import tokenizer as tokenizers
from tools.train_builtin.text_encoder import encode_texts
from tools.train_builtin.together import images_to_tensor, mixed
from tools.train_builtin.vae import FACTOR

GENERATOR_SPLITS = ("train", "wide", "tall", "wider", "taller", "big", "small", "bigger", "pairs")
SUBJECT_WEIGHT = 2.5  # of the loss inside a subject's box, against 1 outside


@dataclass(frozen=True)
class LatentSet:
    """Pictures of one size: latents (n, 4, h, w) fp16, caption ids (n, captions, 77), boxes (n, 2, 4) in pixels."""

    latents: NDArray[np.float16]
    ids: NDArray[np.int16]
    boxes: NDArray[np.int16]
    labels: NDArray[np.int16]  # (n, heads)

    def __len__(self) -> int:
        return len(self.latents)

    def weights(self, picked: NDArray[np.int64]) -> torch.Tensor:
        """Loss weights (batch, 1, h, w) with mean 1: a subject is small, but it is what people look at."""
        height, width = self.latents.shape[2:]
        maps = np.ones((len(picked), 1, height, width), np.float32)
        for row, boxes in enumerate(self.boxes[picked]):
            for left, top, right, bottom in boxes // FACTOR:
                maps[row, 0, top : bottom + 1, left : right + 1] = SUBJECT_WEIGHT if right > left else 1.0
        return torch.from_numpy(maps / maps.mean((1, 2, 3), keepdims=True))


def _path(work: Path, split: str, index: int) -> Path:
    return work / "latents" / f"{split}_{index:03d}.npz"


def encode_all(rank: int, processes: int, work: Path) -> None:
    """Encode this process's share of what is missing (a few minutes on a CPU)."""
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    vae = AutoencoderKL.from_pretrained(work / "vae").eval().to(device, memory_format=torch.channels_last)
    tokenizer = tokenizers.read(work / "tokenizer")
    todo = [(s.name, index) for s in data.SPLITS if s.name in GENERATOR_SPLITS for index in range(s.shards)]
    for split, index in tqdm(todo[rank::processes], desc="latents", unit="shard", mininterval=10):
        path = _path(work, split, index)
        if path.exists():
            continue
        shard = np.load(data.shard_path(work, split, index))
        images, means = shard["images"], []
        for start in range(0, len(images), 20):
            x = images_to_tensor(images[start : start + 20], device)
            with torch.no_grad(), mixed(device):
                means.append(vae.encode(x).latent_dist.mean.half().cpu().contiguous().numpy())
        texts = data.shard_captions(shard)
        flat = [text for captions in texts for text in captions]
        ids = encode_texts(tokenizer, flat, tokenizers.LENGTH).numpy().astype(np.int16)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(
            part,
            latents=np.concatenate(means),
            ids=ids.reshape(len(texts), -1, tokenizers.LENGTH),
            boxes=shard["boxes"],
        )
        part.rename(path)


def load_all(work: Path, rank: int, processes: int) -> dict[str, LatentSet]:
    """This process's share of every split, as far as it is encoded."""
    sets = {}
    for split in GENERATOR_SPLITS:
        paths = sorted((work / "latents").glob(f"{split}_[0-9][0-9][0-9].npz"))
        if not paths:
            continue
        shards = [np.load(path) for path in paths]
        latents, ids, boxes = (
            np.concatenate([shard[key][rank::processes] for shard in shards]) for key in ("latents", "ids", "boxes")
        )
        drawn = [np.load(work / "data" / path.name)["labels"] for path in paths]
        sets[split] = LatentSet(latents, ids, boxes, np.concatenate([labels[rank::processes] for labels in drawn]))
    return sets
