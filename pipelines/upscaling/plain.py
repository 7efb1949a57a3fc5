"""Making a picture larger without a file. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

PLAIN = ("lanczos", "nearest")  # of pixels
# of the latents of a second pass: what A1111 calls them -> ours
LATENT = {
    "Latent": "latent",
    "Latent (antialiased)": "latent antialiased",
    "Latent (bicubic)": "latent bicubic",
    "Latent (bicubic antialiased)": "latent bicubic antialiased",
    "Latent (nearest)": "latent nearest",
    "Latent (nearest-exact)": "latent nearest-exact",
}
OWN = "builtin-2x"  # the network that ships with the project (`tools.train_upscaler`)
OF_LATENTS = tuple(LATENT.values())


def resized(image: Image, size: tuple[int, int], upscaler: str) -> Image:
    """By one of `PLAIN`; `size` is width and height in pixels."""
    from PIL.Image import Resampling  # the list of names is read where no picture is

    return image.resize(size, Resampling[upscaler.upper()])
