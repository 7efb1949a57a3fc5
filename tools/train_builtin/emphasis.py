"""Teaches what a weight on a colour word means: `(red:0.5)` is a faded red, `(red:1.5)` a stronger one.

The text encoder spreads a word's meaning over the whole caption, so a weight on one token would change next to nothing.
Here some captions get a random weight on their colour word, just as the program applies it, and their picture's colour
is faded or strengthened to match. Only pictures on white, gray or black are used: there all colour is the subject's.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPTokenizer

from tools.train_builtin.captions import COLOUR_WORDS
from tools.train_builtin.latents import LatentSet
from tools.train_builtin.world import BACKGROUNDS, COLOUR_NAMES, HEADS

SHARE = 0.2  # of the training pictures
GREYS = ("black", "white", "gray")
LIGHTEST, HEAVIEST = 0.1, 1.9
STRONGER = 0.6  # how much of a weight above 1 shows: colours cannot get much stronger than they are


class Emphasis:
    """Chooses pictures, weighs their captions' embeddings and fades their latents."""

    def __init__(self, work: Path, tokenizer: CLIPTokenizer, scaling: float) -> None:
        vocabulary = len(tokenizer)
        self.words = torch.zeros(len(COLOUR_NAMES), vocabulary, dtype=torch.bool)  # token belongs to this colour
        for index, colour in enumerate(COLOUR_NAMES):
            for word in COLOUR_WORDS[colour]:
                self.words[index, tokenizer(word).input_ids[1:-1]] = True
        self.origin, self.axis = (scaling * part for part in _neutral_line(AutoencoderKL.from_pretrained(work / "vae")))

    def choose(self, pictures: LatentSet) -> NDArray[np.int64]:
        """Indices of coloured single subjects on white, gray or black."""
        heads = list(HEADS)
        greys = [COLOUR_NAMES.index(name) for name in GREYS]
        labels = pictures.labels
        single = labels[:, heads.index("second subject")] == len(HEADS["second subject"]) - 1
        on_grey = np.isin(labels[:, 2], [BACKGROUNDS.index(name) for name in GREYS])
        chosen: NDArray[np.int64] = np.flatnonzero(single & on_grey & ~np.isin(labels[:, 1], greys))
        return chosen

    def marks(self, ids: Tensor, colours: Tensor) -> Tensor:
        """Which tokens (batch, tokens) are the word of each picture's colour (batch,)."""
        return self.words.to(ids.device)[colours].gather(1, ids)

    def fade(self, z: Tensor, weights: Tensor) -> Tensor:
        """Latents (batch, 4, h, w) with their distance from grey scaled by what the weights (batch,) say."""
        factor = torch.where(weights > 1, 1 + STRONGER * (weights - 1), weights).view(-1, 1, 1, 1)
        along = ((z - self.origin) * self.axis).sum(1, keepdim=True) / (self.axis * self.axis).sum()
        grey = self.origin + self.axis * along
        faded = grey + factor * (z - grey)
        return torch.cat([faded[:, :3], z[:, 3:]], 1)  # the fourth channel carries edges


def random_weights(marks: Tensor, random: Generator) -> Tensor:
    """A weight for each caption (batch,); 1 where no colour word is there to be weighed."""
    drawn = torch.from_numpy(random.uniform(LIGHTEST, HEAVIEST, len(marks)).astype(np.float32))
    return torch.where(marks.any(1), drawn, torch.ones(()))


def weigh(hidden: Tensor, marks: Tensor, weights: Tensor) -> Tensor:
    """Embeddings (batch, tokens, width) with marked tokens multiplied and each caption's mean restored."""
    before = hidden.mean((1, 2), keepdim=True)
    weighted = hidden * torch.where(marks, weights[:, None], torch.ones((), device=hidden.device))[..., None]
    restored = weighted * (before / weighted.mean((1, 2), keepdim=True))
    return torch.where((weights != 1).view(-1, 1, 1), restored, hidden)


@torch.no_grad()
def _neutral_line(vae: AutoencoderKL) -> tuple[Tensor, Tensor]:
    """Where greys lie in latent space: origin and direction (1, 4, 1, 1), the fourth channel left out."""
    grey = torch.linspace(-0.9, 0.9, 7)
    z = vae.encode(grey[:, None, None, None].expand(7, 3, 32, 32)).latent_dist.mean.mean((2, 3))  # (7, 4)
    axis = (z * grey[:, None]).sum(0) / (grey * grey).sum()
    origin = z.mean(0)
    origin[3] = axis[3] = 0
    return origin.view(1, 4, 1, 1), axis.view(1, 4, 1, 1)
