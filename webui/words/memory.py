"""What is told of memory beside the sizes: code -> (English, 简体中文). Amounts are in gigabytes."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    "fits": ("fits: {needed:g} of {free:g} GB", "内存足够：约需 {needed:g} GB，可用 {free:g} GB"),
    "fits_with": ("fits with {ways}", "可以运行，方式：{ways}"),
    "fits_at_most": ("{fits} · at most {width}×{height}", "{fits} · 最大 {width}×{height}"),
    "fits_in_seconds": (
        "{fits}, about {seconds:,} s · at most {width}×{height}",
        "{fits}，约 {seconds:,} 秒 · 最大 {width}×{height}",
    ),
    "model_too_large": (
        "too large: the model alone takes {needed:g} of {free:g} GB",
        "太大：仅模型就需要 {needed:g} GB，可用 {free:g} GB",
    ),
    "size_too_large": ("too large: the most that fits is {width}×{height}", "太大：最大可用 {width}×{height}"),
    "fit_unknown": (
        "whether it fits is not known: what such a model takes was never measured; its parts leave the card as they"
        " must",
        "是否放得下未知：此类模型的用量从未测量；放不下时其部件会轮流进出显存",
    ),
    "way_singly": ("one image at a time", "逐张生成"),
    "way_text_off": ("text encoders off the card", "文本编码器移出显存"),
    "way_parts_alone": ("each part alone on the card", "各部件轮流进入显存"),
    "way_streamed": ("layer by layer", "逐层进入显存"),
    "way_narrow": ("8-bit weights", "8 位权重"),
    "way_tiled": ("tiled decode", "分块解码"),
}
