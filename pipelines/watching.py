"""What is seen of a denoising while it goes on, when a batch asks for it; nothing of it changes a pixel. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, kw_only=True, slots=True)
class Filming:
    """So many moments of the denoising of one image of a batch are shown, evenly spread, the first and the last among
    them; changes no pixel."""

    moments: int
    image: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Dissolving:
    """The forward process (Ho, Jain, Abbeel 2020) in latents: no picture is made; the one that the request begins with
    is encoded and mixed with noise of its seed until so much of its power is left (ᾱ, eq. 4). A moment, "noisy" alone,
    for each. `stepwise`: each of the one before with noise of its own (eq. 2), and the last alone is shown."""

    left: tuple[float, ...]
    stepwise: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Attention:
    """Where each word of a prompt looks, in its order."""

    words: tuple[str, ...]
    width: int  # of the latents
    height: int
    maps: bytes  # float32, little-endian: (words, height, width), shares of the attention, 0 … 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A network of a model, or a block of it."""

    part: str  # text_encoder, text_encoder_2, unet, vae (what of it decodes)
    name: str  # in the part, as diffusers has it; "": all of it
    kind: str  # its class
    layers: int  # alike, that it is made of; 0: none
    parameters: int
    shape: tuple[int, ...]  # of what it made of one row: channels, height, width; tokens, width; (): it did not work
    attention: int  # layers of it
    words: int  # those among them that look at the words
    seconds: float | None  # of one call, the median; None: it did not work


# what a moment shows: the noisy picture that the network saw, the clean one and the noise that its prediction implies,
# and, with guidance, the clean ones that it implies without the prompt and with it alone
VIEWS = ("noisy", "clean", "noise", "without", "given")


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One step of a denoising. `alpha`, `sigma`: the shares of the picture and of the noise; their squares add up
    to 1. `views`: of `VIEWS`, "RGB"."""

    step: int  # 1 … steps
    steps: int
    alpha: float
    sigma: float
    views: Mapping[str, Image]
