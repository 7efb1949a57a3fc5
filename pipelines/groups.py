"""The groups of fields that a request may have: what a picture is begun with, and what else is done to it. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from pipelines.errors import InvalidRequest, Note
from pipelines.fields import REQUIRED, check, setting
from pipelines.kinds import choice, flag, name, number, picture, whole

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE_STEP = 8  # pixels
UPSCALED_PIXELS = 100_000_000  # of the largest picture that is made so
IMAGE_GUIDANCE = 1.5  # as InstructPix2Pix was published with
ResizeMode = Literal["stretch", "crop", "pad"]
MaskedContent = Literal["fill", "original", "latent noise", "latent nothing"]
RESIZE_MODES: tuple[str, ...] = get_args(ResizeMode)
MASKED_CONTENTS: tuple[str, ...] = get_args(MaskedContent)


@dataclass(frozen=True, kw_only=True, slots=True)
class InitImage:
    """The picture to start from: upright sRGB "RGB" of any size (`webui.archive.pictures.read` makes one)."""

    image: Image = setting(REQUIRED, picture("RGB"), name="init_image", needed=Note("picture_needed"))
    # share of the steps that run; 1 keeps nothing of the picture
    strength: float = setting(0.75, number(0, 1, step=0.01), infotext="Denoising strength")
    resize_mode: ResizeMode = setting("crop", choice(*RESIZE_MODES))  # how it comes to width × height
    # how closely a model that edits keeps to the picture; None: IMAGE_GUIDANCE
    image_guidance: float | None = setting(None, number(0, 30, step=0.1), infotext="Image CFG scale")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inpaint:
    """What to repaint: `mask` is "L" in the init image's own size, 255 = repaint."""

    mask: Image = setting(REQUIRED, picture("L"), needed=Note("mask_needed"))
    invert: bool = setting(
        False,
        flag(),
        infotext="Mask mode",
        words={"Inpaint masked": False, "Inpaint not masked": True},
        sparse=True,
        option="invert-mask",
    )
    mask_blur: int = setting(4, whole(0, 64), infotext="Mask blur")  # pixels of the init image, Gaussian radius
    mask_grow: int = setting(0, whole(-64, 64))  # pixels; negative shrinks
    # work on the masked area alone, at full size
    only_masked: bool = setting(
        False, flag(), infotext="Inpaint area", words={"Whole picture": False, "Only masked": True}, sparse=True
    )
    # pixels round the masked area when only_masked
    padding: int = setting(32, whole(0, 256), infotext="Masked area padding", needs="only_masked")
    masked_content: MaskedContent = setting(
        "original", choice(*MASKED_CONTENTS), infotext="Masked content", sparse=True
    )

    def __post_init__(self) -> None:
        check(self)
        histogram = self.mask.histogram()
        if sum(histogram[:-1] if self.invert else histogram[1:]) == 0:
            raise InvalidRequest("mask", "mask_empty")


@dataclass(frozen=True, kw_only=True, slots=True)
class Upscale:
    """A picture that is made larger, and no step of denoising runs. The request's other fields tell how it was made."""

    # of any size
    image: Image = setting(
        REQUIRED, picture("RGB"), name="upscale_image", needed=Note("picture_needed"), page=False, axis=False
    )
    # one of `pipelines.upscaling.plain`, or the name of a file in the models folder
    upscaler: str = setting("lanczos", name(), page=False, axis=False)
    by: float = setting(2.0, number(1, 8), name="upscale_by", page=False, axis=False)  # times as wide and high
    # pixels of the picture that a network sees at once, and of those the ones that two neighbours share. The bytes
    # depend on them a little, so they are settled here and not by the memory that is free.
    tile: int = setting(256, whole(64, 2048, step=8), name="upscale_tile", page=False, axis=False)
    overlap: int = setting(32, whole(0, 128, step=8), name="upscale_overlap", page=False, axis=False)
    # whether the request's other fields do tell; else nobody knows how the picture was made
    known: bool = setting(True, flag(), name="upscale_known", page=False, axis=False)

    def __post_init__(self) -> None:
        check(self)
        if 2 * self.overlap > self.tile:
            raise InvalidRequest("upscale_overlap", "overlap_half", tile=self.tile, value=self.overlap)
        if (pixels := self.size[0] * self.size[1]) > UPSCALED_PIXELS:
            raise InvalidRequest("upscale_by", "upscaled_pixels", limit=UPSCALED_PIXELS // 10**6, value=pixels // 10**6)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that come out, pixels."""
        width, height = self.image.size
        return max(1, round(width * self.by)), max(1, round(height * self.by))
