"""Inpainting's geometry: what is repainted, where it is worked on, and how it comes back into the picture.

Sizes. Whole picture: the init image brought to width × height is the original, and the result has that size. Only
masked: the init image itself is the original, and the result keeps its size; a part of it is worked on at
width × height. Either way every pixel where the blurred mask is 0 comes out as it was, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy
import torch
from PIL import Image, ImageFilter

from pipelines import images
from pipelines.errors import InvalidRequest
from pipelines.groups import Inpaint
from pipelines.images import Box, Size
from pipelines.types import GenerationRequest

HALF = 128  # a pixel counts as masked from here on, where yes or no must be said


@dataclass(frozen=True, kw_only=True, slots=True)
class Canvas:
    """`original` and `mask` have the result's size; `picture` and `working_mask` are the request's width × height."""

    original: Image.Image  # RGB
    mask: Image.Image  # L: how much of the new picture shows
    box: Box  # the part of the original that is worked on
    picture: Image.Image  # RGB: that part, at the working size
    working_mask: Image.Image  # L, grown and blurred


def plan(request: GenerationRequest) -> Canvas:
    """The canvas of a request for inpainting. Raises `InvalidRequest` when the fitting cuts all of the mask away."""
    init, inpaint = request.init, request.inpaint
    if init is None or inpaint is None:
        raise ValueError("the request has no mask")
    size = (request.width, request.height)
    mask = prepared(inpaint)
    original = init.image
    if not inpaint.only_masked:
        original, mask = images.fit(original, size, init.resize_mode), images.fit(mask, size, init.resize_mode)
    bounds = mask.getbbox()
    if bounds is None:
        raise InvalidRequest("mask", "mask_gone")
    shown = full_from(mask, request.steps_run) if inpaint.soft else mask
    if not inpaint.only_masked:
        return Canvas(original=original, mask=shown, box=(0, 0, *size), picture=original, working_mask=mask)
    box = region(bounds, inpaint.padding, size, original.size)
    return Canvas(
        original=original,
        mask=shown,
        box=box,
        picture=images.fit(original.crop(box), size, "stretch"),
        working_mask=images.fit(mask.crop(box), size, "stretch"),
    )


def prepared(inpaint: Inpaint) -> Image.Image:
    """The mask as it is used: inverted, grown or shrunk, blurred, in this order."""
    mask = inpaint.mask
    if inpaint.invert:
        mask = mask.point(lambda value: 255 - value)
    if inpaint.mask_grow:
        mask = (grown_grey if inpaint.soft else grown)(mask, inpaint.mask_grow)
    if inpaint.mask_blur:
        mask = mask.filter(ImageFilter.GaussianBlur(inpaint.mask_blur))
    return mask


def grown(mask: Image.Image, pixels: int) -> Image.Image:
    """Wider by `pixels` in every direction, corners rounded; negative: narrower. The picture's edge is no edge of the
    mask. The result is 0 or 255."""
    from scipy import ndimage  # takes a while to import, and few masks are grown

    inside = numpy.asarray(mask) >= HALF
    if pixels > 0:
        # the distance to the nearest masked pixel
        result = ndimage.distance_transform_edt(~inside) <= pixels if inside.any() else inside
    else:
        result = ndimage.distance_transform_edt(inside) > -pixels if not inside.all() else inside
    return Image.fromarray(result.astype(numpy.uint8) * 255)


def grown_grey(mask: Image.Image, pixels: int) -> Image.Image:
    """Likewise with all its greys; corners stay corners."""
    from scipy import ndimage

    reach = 2 * abs(pixels) + 1
    spread = ndimage.maximum_filter if pixels > 0 else ndimage.minimum_filter
    return Image.fromarray(spread(numpy.asarray(mask), size=reach, mode="nearest"))


def full_from(mask: Image.Image, steps: int) -> Image.Image:
    """How much of the new picture shows with a soft mask: all of it where at least one of so many steps is free. Shown
    as far as the mask is white, it would be a new picture and the old one laid over each other."""
    return mask.point(lambda value: min(255, value * steps))


def region(bounds: Box, padding: int, working: Size, whole: Size) -> Box:
    """`bounds` with `padding` round it, widened to the aspect of `working`, moved and cut to lie inside `whole`."""
    left, top = max(0, bounds[0] - padding), max(0, bounds[1] - padding)
    right, bottom = min(whole[0], bounds[2] + padding), min(whole[1], bounds[3] + padding)
    width, height = right - left, bottom - top
    wanted_width = min(whole[0], max(width, round(height * working[0] / working[1])))
    wanted_height = min(whole[1], max(height, round(width * working[1] / working[0])))
    left = min(max(0, left - (wanted_width - width) // 2), whole[0] - wanted_width)
    top = min(max(0, top - (wanted_height - height) // 2), whole[1] - wanted_height)
    return left, top, left + wanted_width, top + wanted_height


def latent_mask(mask: Image.Image, vae_factor: int) -> torch.Tensor:
    """1 where a latent is repainted: where the mask reaches one half in any of its pixels (or, if it does so nowhere,
    where it is not 0). mask: L, height × width -> (1, 1, height / factor, width / factor)."""
    pixels = torch.from_numpy(numpy.array(mask)).float()[None, None]
    most = torch.nn.functional.max_pool2d(pixels, vae_factor)
    chosen = most >= HALF
    if not bool(chosen.any()):
        chosen = most > 0
    return chosen.float()


def latent_greys(mask: Image.Image, vae_factor: int) -> torch.Tensor:
    """0 … 1: how white the mask is on average over each latent. mask: L, height × width -> as `latent_mask`."""
    pixels = torch.from_numpy(numpy.array(mask)).float()[None, None]
    return torch.nn.functional.avg_pool2d(pixels, vae_factor) / 255


def filled(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """The masked area in soft colours of what surrounds it; outside the mask nothing changes.

    From a wide blur of the unmasked pixels to a narrow one, each laid over the one before as far as it reaches.
    """
    known = mask.point(lambda value: 255 if value < HALF else 0)
    if known.getbbox() is None:
        return picture.copy()  # nothing surrounds it
    layer = picture.convert("RGBA")
    layer.putalpha(known)
    premultiplied = layer.convert("RGBa")  # so that masked pixels weigh nothing in a blur
    canvas = Image.new("RGBA", picture.size, _mean_colour(picture, known))
    radius = max(picture.size) / 2
    while radius >= 1:
        blurred = premultiplied.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        # full strength where any surrounding colour arrives, else the wide blurs would show through
        blurred.putalpha(blurred.getchannel("A").point(lambda value: min(255, value * 4)))
        canvas.alpha_composite(blurred)
        radius /= 2
    return Image.composite(canvas.convert("RGB"), picture, mask)


def _mean_colour(picture: Image.Image, known: Image.Image) -> tuple[int, int, int, int]:
    pixels = numpy.asarray(picture)[numpy.asarray(known) > 0]
    red, green, blue = pixels.mean(axis=0).round().astype(int).tolist()
    return red, green, blue, 255


def composed(canvas: Canvas, generated: Image.Image) -> tuple[Image.Image, int]:
    """The new picture laid into the original, and how many pixels outside the mask differ from it: must be 0."""
    width, height = canvas.box[2] - canvas.box[0], canvas.box[3] - canvas.box[1]
    laid = canvas.original.copy()
    laid.paste(images.fit(generated, (width, height), "stretch"), canvas.box[:2])
    result = Image.composite(laid, canvas.original, canvas.mask)
    return result, changed_outside(result, canvas.original, canvas.mask)


def changed_outside(result: Image.Image, original: Image.Image, mask: Image.Image) -> int:
    """How many pixels differ where the mask is 0."""
    differs = (numpy.asarray(result) != numpy.asarray(original)).any(axis=2)
    return int(numpy.count_nonzero(differs & (numpy.asarray(mask) == 0)))
