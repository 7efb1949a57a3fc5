"""Will it fit? The bytes a request takes on a device, and the cheapest way of running it that fits. Plain arithmetic.

The amounts were counted tensor by tensor on the published networks (attention by SDPA, which needs no matrix of all
pairs) and agree within 5 % with peaks published for an A100: SD 1.5 at 512² 2.6 GB, SDXL at 1024² 9.0 GB. All grow with
the pixels: a step's with the images times two (guidance asks twice), a decode's not, because images are decoded one by
one. What the driver itself takes (`OVERHEAD`) comes on top.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from pipelines import families
from pipelines.errors import Note
from pipelines.families.sd import SD1

GB = 2**30
MEGA = 1_000_000  # pixels
OVERHEAD = 600_000_000  # bytes: a CUDA context and the libraries' scratch space, 0.4 to 0.8 GB
STREAMED_SHARE = 16  # of a UNet's weights one part in so many: two of its largest layers, with room to spare
NARROW_SHARE = 0.53  # of a UNet's weights: 8 bits instead of 16, but for its norms and the layer at work
TILE = 512 * 512  # pixels of one tile of the decoder
LARGEST_SIDE = 4096
SIDE_STEP = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What of a model decides over memory. Bytes in the type it runs in."""

    unet: int
    vae: int
    text: int
    step_per_pixel: float  # bytes for each pixel of one row (an image has two with guidance)
    decode_per_pixel: float
    vae_in_fp32: bool = False  # its decoder overflows fp16 and is widened for the decode
    beside: int = 0  # of networks that work with the UNet at every step

    @property
    def weights(self) -> int:
        return self.unet + self.beside + self.vae + self.text


FAMILIES = tuple(family.name for family in families.ALL.values() if family.amounts is not None)
_DECODE_PER_PIXEL = 1535.0  # bytes in 16 bits; every family has the same decoder


def shape_of(family: str, *, bytes_per_number: int, weights: int = 0) -> Shape:
    """The shape of a published family in a type of so many bytes. A family that is not known counts as SD 1.x with
    `weights` bytes in all (in that type)."""
    scale, amounts = bytes_per_number / 2, families.of(family).amounts
    if amounts is None:
        return replace(
            shape_of(SD1.name, bytes_per_number=bytes_per_number), unet=weights, vae=0, text=0, vae_in_fp32=False
        )
    unet, vae, text = (round(one * 1e6 * bytes_per_number) for one in (amounts.unet, amounts.vae, amounts.text))
    return Shape(
        unet=unet,
        vae=vae,
        text=text,
        step_per_pixel=amounts.step_per_pixel * scale,
        decode_per_pixel=_DECODE_PER_PIXEL * scale,
        vae_in_fp32=amounts.vae_in_fp32 and bytes_per_number == 2,
    )


def decode_work(pixels: int, bytes_per_number: int) -> int:
    """Bytes that a decode takes beside the weights: every family has the same decoder, those not in `FAMILIES` too."""
    return round(_DECODE_PER_PIXEL * bytes_per_number / 2 * pixels)


_SHARED = 0.13  # of a step's work: 640 channels of a row wait, 20 bytes a pixel of 263 (SD) or 158 (SDXL)
# Bytes for each pixel of a tile in 32 bits, fourfold: measured were SwinIR 17,000, ESRGAN of 23 blocks 14,400, and
# Compact 1,400
_UPSCALED_PER_PIXEL = 17_000.0


def upscaler_bytes(weights: int, tile: tuple[int, int], bytes_per_number: int) -> int:
    """What an upscaler of a file takes: its weights in the type it runs in, and its work on one tile, pixels."""
    return weights + round(_UPSCALED_PER_PIXEL * bytes_per_number / 4 * tile[0] * tile[1])


@dataclass(frozen=True, kw_only=True, slots=True)
class Ways:
    """How a request is run. Each saves memory and costs time, the last bits of the pixels, or more of them."""

    tiled: bool = False  # the picture is decoded in tiles: a little slower, other last bits
    text_off: bool = False  # the text encoders are on the device only while they encode: a second for a new prompt
    singly: bool = False  # the images of a batch one after the other: other last bits
    parts_alone: bool = False  # only the part at work is on the device: seconds an image
    streamed: bool = False  # as parts_alone, and the UNet's layers come and go one by one: the whole UNet every step
    narrow: bool = False  # the UNet's weights are kept in 8 bits: other pixels

    @property
    def names(self) -> tuple[str, ...]:
        """For the record of a picture: what is done to make it fit."""
        return tuple(name for field, (name, _) in _TOLD.items() if getattr(self, field))

    @property
    def notes(self) -> tuple[Note, ...]:
        """The same for people."""
        return tuple(note for field, (_, note) in _TOLD.items() if getattr(self, field))


# a way -> what a picture's record calls it, what people are told
_TOLD: Mapping[str, tuple[str, Note]] = {
    "singly": ("one image at a time", Note("way_singly")),
    "text_off": ("text encoders off the card", Note("way_text_off")),
    "parts_alone": ("each part alone on the card", Note("way_parts_alone")),
    "streamed": ("layer by layer", Note("way_streamed")),
    "narrow": ("8-bit weights", Note("way_narrow")),
    "tiled": ("tiled decode", Note("way_tiled")),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What a device can do to save memory."""

    moving: bool = True  # weights may leave it for main memory
    narrowing: bool = True  # weights may be kept in 8 bits there


EVERY_MEANS = Means()


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """What the work of a step and of a decode, beside the weights, took here, divided by what was predicted."""

    step: float = 1.0
    decode: float = 1.0


UNMEASURED = Calibration()
ON_A_PROCESSOR = Calibration(step=1.8, decode=1.55)  # measured on SD 1.5: its convolutions need scratch space


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """Of a batch."""

    width: int
    height: int
    batch: int = 1
    rows: int = 2  # of the UNet for one image: `rows_of`
    shares: bool = False  # inner features wait for the next steps: `leading.Reuse`
    sees: int = 0  # pixels that the UNet sees at once; 0: all of the picture
    upscaler: int = 0  # bytes of a file's that works between two passes: `upscaler_bytes`

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def seen(self) -> int:
        """Pixels that the UNet sees at once."""
        return min(self.sees or self.pixels, self.pixels)


def rows_of(guidance: float, *, editing: bool = False, prompts: int = 1) -> int:
    """Rows of the UNet for one image: one for each of the `prompts` that AND joins, and with guidance the negative
    prompt's, which a model that edits is told twice."""
    return prompts + (1 + editing if guidance > 1 else 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The cheapest way that fits, or None; `bytes`: its peak, or the least that any way would take."""

    ways: Ways | None
    bytes: int
    free: int
    size: Size
    largest: tuple[int, int]  # the most that fits in this shape of picture, (0, 0) when nothing does

    def told(self, seconds: float | None = None) -> Note:
        """For the page, in gigabytes; `seconds`: how long it is expected to take."""
        width, height = self.largest
        if self.ways is None and self.largest == (0, 0):
            return Note("model_too_large", needed=_gb(self.bytes), free=_gb(self.free))
        if self.ways is None:
            return Note("size_too_large", width=width, height=height)
        way = Note("fits", needed=_gb(self.bytes), free=_gb(self.free))
        if self.ways.notes:
            way = Note("fits_with", ways=self.ways.notes)
        if seconds is None:
            return Note("fits_at_most", fits=way, width=width, height=height)
        return Note("fits_in_seconds", fits=way, seconds=max(1, round(seconds)), width=width, height=height)


def peak(shape: Shape, size: Size, ways: Ways) -> int:
    """Bytes at the worst moment, without `OVERHEAD`."""
    between = _resident(shape, ways, shape.vae) + size.upscaler if size.upscaler else 0  # the VAE gave it its picture
    return max(step_bytes(shape, size, ways), decode_bytes(shape, size, ways), _encode_text(shape, ways), between)


def plan(
    shape: Shape, size: Size, free: int, *, calibration: Calibration = UNMEASURED, means: Means = EVERY_MEANS
) -> Plan:
    """`free`: bytes a model and its work may take on the device, with what of it is loaded already."""
    shape = calibrated(shape, calibration)
    largest = _largest(shape, size, free, means)
    for ways in from_cheapest(size, means):
        needed = peak(shape, size, ways) + OVERHEAD
        if needed <= free:
            return Plan(ways=ways, bytes=needed, free=free, size=size, largest=largest)
    least = min(peak(shape, size, ways) for ways in from_cheapest(size, means)) + OVERHEAD
    return Plan(ways=None, bytes=least, free=free, size=size, largest=largest)


def calibrated(shape: Shape, calibration: Calibration) -> Shape:
    return replace(
        shape,
        step_per_pixel=shape.step_per_pixel * calibration.step,
        decode_per_pixel=shape.decode_per_pixel * calibration.decode,
    )


def from_cheapest(size: Size, means: Means) -> Iterator[Ways]:
    """All ways, those first that cost least: tiles under half a second, the text encoders a second a prompt, one image
    at a time a tenth of the speed, parts that come and go seconds an image, a streamed UNet up to half the speed.
    8-bit weights change what is in the picture: they come last, and where main memory has no room for moved parts."""
    choice, never = (False, True), (False,)
    moves, narrows = (choice, never) if means.moving else (never, choice if means.narrowing else never)
    for narrow, streamed, parts_alone, singly, text_off, tiled in product(narrows, moves, moves, choice, moves, choice):
        if text_off + parts_alone + streamed <= 1 and not (singly and size.batch == 1):
            yield Ways(
                tiled=tiled,
                text_off=text_off,
                singly=singly,
                parts_alone=parts_alone,
                streamed=streamed,
                narrow=narrow,
            )


def _unet(shape: Shape, ways: Ways) -> int:
    """Bytes of its weights on the device at once, and of those that work beside it."""
    if ways.streamed:
        return (shape.unet + shape.beside) // STREAMED_SHARE
    return (round(shape.unet * NARROW_SHARE) if ways.narrow else shape.unet) + shape.beside


def _resident(shape: Shape, ways: Ways, working: int) -> int:
    """Weights on the device while a part of `working` bytes is at work."""
    if ways.parts_alone or ways.streamed:
        return working
    return _unet(shape, ways) + shape.vae + (0 if ways.text_off else shape.text)


def work_bytes(shape: Shape, size: Size, ways: Ways) -> int:
    """Of a step, beside the weights."""
    rows = (1 if ways.singly else size.batch) * size.rows
    work = shape.step_per_pixel * (1 + _SHARED if size.shares else 1)
    return round(work * rows * size.seen)


def step_bytes(shape: Shape, size: Size, ways: Ways) -> int:
    return _resident(shape, ways, _unet(shape, ways)) + work_bytes(shape, size, ways)


def decode_bytes(shape: Shape, size: Size, ways: Ways) -> int:
    wide = 2 if shape.vae_in_fp32 else 1
    pixels = min(size.pixels, TILE) if ways.tiled else size.pixels
    extra = shape.vae * (wide - 1)  # the widened copy takes the place of the narrow one
    return _resident(shape, ways, shape.vae) + extra + round(shape.decode_per_pixel * wide * pixels)


def _encode_text(shape: Shape, ways: Ways) -> int:
    """Text encoders that leave come back alone for each new prompt."""
    if ways.text_off or ways.parts_alone or ways.streamed:
        return shape.text
    return _resident(shape, ways, shape.text)


def _largest(shape: Shape, size: Size, free: int, means: Means) -> tuple[int, int]:
    """The largest picture of the same proportions whose cheapest fitting way exists, sides in steps of 64."""
    ratio = size.width / size.height
    low, high = 0, LARGEST_SIDE // SIDE_STEP  # of the longer side, in steps
    while low < high:
        middle = (low + high + 1) // 2
        candidate = _sides(ratio, middle)
        tried = replace(size, width=candidate[0], height=candidate[1])
        if any(peak(shape, tried, ways) + OVERHEAD <= free for ways in from_cheapest(size, means)):
            low = middle
        else:
            high = middle - 1
    return _sides(ratio, low) if low else (0, 0)


def _sides(ratio: float, steps: int) -> tuple[int, int]:
    longer = steps * SIDE_STEP
    shorter = max(SIDE_STEP, math.floor(longer * min(ratio, 1 / ratio) / SIDE_STEP + 1e-9) * SIDE_STEP)
    return (longer, shorter) if ratio >= 1 else (shorter, longer)


def _gb(size: int) -> float:
    return round(size / GB, 1)
