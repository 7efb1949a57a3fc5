"""Pictures brought to a size, and small pictures of pictures. PIL only."""

from __future__ import annotations

import io

from PIL import Image

from pipelines.groups import ResizeMode

Size = tuple[int, int]  # width, height in pixels
Box = tuple[int, int, int, int]  # left, top, right, bottom


def fit(image: Image.Image, size: Size, mode: ResizeMode) -> Image.Image:
    """`image` (RGB or L) at exactly `size`; the very same pixels when it has that size already.

    stretch: each side on its own. crop: scaled to cover, the middle kept. pad: scaled to fit inside; an RGB picture's
    outermost row or column is drawn out over the bars, an L mask's bars are 0 (nothing is repainted there).
    """
    if image.size == size:
        return image.copy()
    if mode == "stretch":
        return _resize(image, size)
    if mode == "crop":
        return _resize(image, size, _covering_box(image.size, size))
    return _pad(image, size)


def _resize(image: Image.Image, size: Size, box: tuple[float, float, float, float] | None = None) -> Image.Image:
    # Lanczos overshoots: fine for a picture, wrong for a mask, whose zeros must stay zero
    method = Image.Resampling.BILINEAR if image.mode == "L" else Image.Resampling.LANCZOS
    return image.resize(size, method, box=box)


def cut_off(source: Size, target: Size) -> float:
    """The share of a picture of that size that "crop" leaves out."""
    left, top, right, bottom = _covering_box(source, target)
    return 1 - (right - left) * (bottom - top) / (source[0] * source[1])


def _covering_box(source: Size, target: Size) -> tuple[float, float, float, float]:
    """The largest centred part of `source` with the aspect of `target`."""
    scale = min(source[0] / target[0], source[1] / target[1])
    width, height = target[0] * scale, target[1] * scale
    left, top = (source[0] - width) / 2, (source[1] - height) / 2
    return left, top, left + width, top + height


def _pad(image: Image.Image, size: Size) -> Image.Image:
    scale = min(size[0] / image.width, size[1] / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    scaled = _resize(image, inner)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    right, bottom = left + inner[0], top + inner[1]
    canvas = Image.new(image.mode, size)
    canvas.paste(scaled, (left, top))
    if image.mode == "L":
        return canvas
    for bar, strip in (
        ((0, 0, left, size[1]), (0, 0, 1, inner[1])),
        ((right, 0, size[0], size[1]), (inner[0] - 1, 0, inner[0], inner[1])),
        ((0, 0, size[0], top), (0, 0, inner[0], 1)),
        ((0, bottom, size[0], size[1]), (0, inner[1] - 1, inner[0], inner[1])),
    ):
        width, height = bar[2] - bar[0], bar[3] - bar[1]
        if width > 0 and height > 0:
            canvas.paste(scaled.crop(strip).resize((width, height)), bar[:2])
    return canvas


def jpeg(image: Image.Image, longest: int = 256) -> bytes:
    """A JPEG of at most `longest` pixels a side."""
    small = image.convert("RGB")
    small.thumbnail((longest, longest))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
