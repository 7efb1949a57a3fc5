"""The groups of fields that a request may have: what a picture is begun with, and what else is done to it. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from pipelines.errors import InvalidRequest, Note
from pipelines.fields import REQUIRED, check, setting
from pipelines.kinds import choice, flag, name, number, picture, text, whole
from pipelines.sampling.samplers import DENOISERS, SAMPLERS, SCHEDULES
from pipelines.steps import PassSize, steps_before
from pipelines.upscaling.plain import LATENT

if TYPE_CHECKING:
    from PIL.Image import Image

SEED_END = 2**32  # seeds are 0 … SEED_END - 1
SIDE_STEP = 8  # pixels
SMALLEST_SIDE, LARGEST_SIDE = 64, 4096  # pixels
UPSCALED_BY = 8  # times as wide and high at most
UPSCALED_PIXELS = 100_000_000  # of the largest picture that is made so
IMAGE_GUIDANCE = 1.5  # as InstructPix2Pix was published with
ResizeMode = Literal["stretch", "crop", "pad"]
MaskedContent = Literal["fill", "original", "latent noise", "latent nothing"]
RESIZE_MODES: tuple[str, ...] = get_args(ResizeMode)
MASKED_CONTENTS: tuple[str, ...] = get_args(MaskedContent)
SAME = "same"  # as the first pass
NO_REFINER = "none"  # none is chosen yet
# how A1111 writes them
SCHEDULE_WORDS = {"SGM Uniform" if name == "sgm uniform" else name.capitalize(): name for name in SCHEDULES}
_UPSCALER_WORDS = {**LATENT, "Lanczos": "lanczos", "None": "lanczos", "Nearest": "nearest"}


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
class Edit:
    """The start picture is changed by words: what its own prompt does not explain of it is kept, step by step
    (Inbar Huberman-Spiegelglas et al., arXiv:2304.06140). The strength says how many steps are made anew."""

    # what the start picture shows, in words; the prompt says what it is to show
    source: str = setting("", text(), name="edit_source", infotext="Edited from", sparse=True)

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
    # a mask's greys count: the darker, the later a place is free to change; else only as far as the new picture shows
    soft: bool = setting(
        False,
        flag(),
        infotext="Differential diffusion",
        words={"True": True, "False": False},
        sparse=True,
        option="soft-mask",
    )

    def __post_init__(self) -> None:
        check(self)
        histogram = self.mask.histogram()
        if sum(histogram[:-1] if self.invert else histogram[1:]) == 0:
            raise InvalidRequest("mask", "mask_empty")


@dataclass(frozen=True, kw_only=True, slots=True)
class Variation:
    """Noise near that of the seed, which all images of the run then share: image i has the variation seed + i."""

    seed: int = setting(0, whole(0, SEED_END - 1), name="variation_seed", infotext="Variation seed")
    # 0: the seed's own noise, and each image has a seed of its own as ever; 1: that of the variation seed
    strength: float = setting(
        0.2, number(0, 1, step=0.01), name="variation_strength", infotext="Variation seed strength"
    )
    # the size, pixels, whose noise stands in the middle, so that another shape keeps what it shows; 0: as the picture's
    from_width: int = setting(0, whole(0, LARGEST_SIDE, step=SIDE_STEP))
    from_height: int = setting(0, whole(0, LARGEST_SIDE, step=SIDE_STEP))

    def __post_init__(self) -> None:
        check(self)

    def moved(self, by: int) -> Variation:
        """Of the image so many places on, or back."""
        return replace(self, seed=(self.seed + by) % SEED_END)


def _check_overlap(field: str, tile: int, overlap: int) -> None:
    if 2 * overlap > tile:
        raise InvalidRequest(field, "overlap_half", tile=tile, value=overlap)


@dataclass(frozen=True, kw_only=True, slots=True)
class Upscale:
    """A picture that is made larger, and no step of denoising runs. The request's other fields tell how it was made."""

    # of any size
    image: Image = setting(
        REQUIRED, picture("RGB"), name="upscale_image", needed=Note("picture_needed"), page=False, axis=False
    )
    # one of `pipelines.upscaling.plain`, or the name of a file in the models folder
    upscaler: str = setting("lanczos", name(), page=False, axis=False)
    # times as wide and high
    by: float = setting(2.0, number(1, UPSCALED_BY), name="upscale_by", page=False, axis=False)
    # pixels of the picture that a network sees at once, and of those the ones that two neighbours share. The bytes
    # depend on them a little, so they are settled here and not by the memory that is free.
    tile: int = setting(256, whole(64, 2048, step=8), name="upscale_tile", page=False, axis=False)
    overlap: int = setting(32, whole(0, 128, step=8), name="upscale_overlap", page=False, axis=False)
    # whether the request's other fields do tell; else nobody knows how the picture was made
    known: bool = setting(True, flag(), name="upscale_known", page=False, axis=False)

    def __post_init__(self) -> None:
        check(self)
        _check_overlap("upscale_overlap", self.tile, self.overlap)
        if (pixels := self.size[0] * self.size[1]) > UPSCALED_PIXELS:
            raise InvalidRequest("upscale_by", "upscaled_pixels", limit=UPSCALED_PIXELS // 10**6, value=pixels // 10**6)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that come out, pixels."""
        width, height = self.image.size
        return max(1, round(width * self.by)), max(1, round(height * self.by))


def no_step_runs(field: str, steps: int, strength: float) -> InvalidRequest:
    return InvalidRequest(field, "no_step_runs", least=math.ceil(100 / steps) / 100, steps=steps, value=strength)


def check_schedule(field: str, sampler: str, schedule: str) -> None:
    if schedule not in (allowed := SAMPLERS[sampler].schedules):
        raise InvalidRequest(field, "schedule_of_sampler", choices=allowed, sampler=sampler, value=schedule)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hires:
    """A second pass: the first picture, made larger, is denoised again from a part of its steps on."""

    by: float = setting(2.0, number(1, 4, step=0.05), name="hires_by", infotext="Hires upscale")
    # to this size instead, pixels; one alone: in the first picture's shape. 0: by `by`
    width: int = setting(0, whole(0, LARGEST_SIDE, step=SIDE_STEP), name="hires_width")
    height: int = setting(0, whole(0, LARGEST_SIDE, step=SIDE_STEP), name="hires_height")
    # one of `pipelines.upscaling.plain`, or the name of a file in the models folder
    upscaler: str = setting("latent", name(), name="hires_upscaler", infotext="Hires upscaler", words=_UPSCALER_WORDS)
    # share of the steps that run; A1111's text calls it as that of a start picture, which never is beside it
    strength: float = setting(0.7, number(0, 1, step=0.01), name="hires_strength", infotext="Hires denoising strength")
    steps: int = setting(0, whole(0, 150), name="hires_steps", infotext="Hires steps", sparse=True)  # 0: as the first
    sampler: str = setting(
        SAME,
        choice(SAME, *DENOISERS),
        name="hires_sampler",
        infotext="Hires sampler",
        words={"Use same sampler": SAME},
        sparse=True,
    )
    schedule: str = setting(
        SAME,
        choice(SAME, *SCHEDULES),
        name="hires_schedule",
        infotext="Hires schedule type",
        words={"Use same scheduler": SAME, **SCHEDULE_WORDS},
        sparse=True,
    )
    # 0: as the first
    guidance: float = setting(0.0, number(0, 30), name="hires_guidance", infotext="Hires CFG Scale", sparse=True)
    prompt: str = setting("", text(), name="hires_prompt", infotext="Hires prompt", sparse=True)  # "": the first's
    negative_prompt: str = setting(
        "", text(), name="hires_negative_prompt", infotext="Hires negative prompt", sparse=True
    )
    # of an upscaler of a file, as `Upscale` has them
    tile: int = setting(256, whole(64, 2048, step=8), name="hires_tile", page=False, axis=False)
    overlap: int = setting(32, whole(0, 128, step=8), name="hires_overlap", page=False, axis=False)

    def __post_init__(self) -> None:
        check(self)
        _check_overlap("hires_overlap", self.tile, self.overlap)

    def sampling(self, sampler: str, schedule: str) -> tuple[str, str]:
        """Its sampler and schedule, beside those of the first pass."""
        return (sampler if self.sampler == SAME else self.sampler, schedule if self.schedule == SAME else self.schedule)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height, pixels, that a first picture of this size comes to. Raises `InvalidRequest`."""
        across, down = self.width / width, self.height / height
        times = across or down or self.by
        sides = width * (across or times), height * (down or times)
        found = round(sides[0] / SIDE_STEP) * SIDE_STEP, round(sides[1] / SIDE_STEP) * SIDE_STEP
        for side in found:
            if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
                field = "hires_width" if self.width else "hires_height" if self.height else "hires_by"
                raise InvalidRequest(field, "second_side", low=SMALLEST_SIDE, high=LARGEST_SIDE, value=side)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Refiner:
    """A second model runs the last steps: it is handed the latents with the noise that is in them then, an "ensemble
    of experts" (Dustin Podell et al., arXiv:2307.01952). With a second pass it is that one's steps."""

    # a model in the models folder that works on the same latents
    model: str = setting(NO_REFINER, name(), name="refiner_model", infotext="Refiner")
    # share of the steps, those that a start picture skips included
    switch_at: float = setting(
        0.8, number(0.01, 0.99, step=0.01), name="refiner_switch_at", infotext="Refiner switch at"
    )

    def __post_init__(self) -> None:
        check(self)

    def steps_of(self, steps: int, run: int) -> int:
        """How many it runs of the last `run` of `steps`. Raises `InvalidRequest` where a model would run none."""
        found = steps - steps_before(self.switch_at, steps)
        if 0 < found < run:
            return found
        if run == 1:
            raise InvalidRequest("refiner", "refiner_one_step")
        low, high = (math.floor(100 * (steps - run) / steps) + 1) / 100, math.floor(100 * (steps - 1) / steps) / 100
        raise InvalidRequest("refiner_switch_at", "refiner_shares", low=low, high=high, value=self.switch_at)

    def shared(self, one: PassSize, steps: int) -> tuple[PassSize, PassSize]:
        """A pass as both run it."""
        own = self.steps_of(steps, one.steps)
        return replace(one, steps=one.steps - own), replace(one, steps=own)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiles:
    """The network sees the picture in parts that overlap, so that a step takes the memory of one
    (`pipelines.engines.tiles`); with a second pass only that one."""

    side: int = setting(768, whole(256, 2048, step=64), name="tiles_side")  # pixels
    overlap: int = setting(128, whole(0, 384, step=8), name="tiles_overlap")  # pixels that two neighbours share

    def __post_init__(self) -> None:
        check(self)
        _check_overlap("tiles_overlap", self.side, self.overlap)

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a part of such a picture, pixels."""
        return min(width, self.side), min(height, self.side)

    def pixels_of(self, width: int, height: int) -> int:
        return math.prod(self.size_of(width, height))
