"""A picture that is denoised in parts: -> (English, 简体中文)."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "tiles": ("Denoise in tiles", "分块去噪"),
    "tiles_info": (
        "Large pictures with the memory of one tile; of two passes the second",
        "以一块的显存生成大图；有两遍时用于第二遍",
    ),
    "tiles_side": ("Tile", "分块边长"),
    "tiles_side_info": ("Pixels; best what the model was made for", "像素；最好为模型的原生尺寸"),
    "tiles_overlap": ("Tiles overlap by", "分块重叠"),
    "tiles_overlap_info": ("Pixels", "像素"),
}
SENTENCES: dict[str, tuple[str, str]] = {
    "tiles_beside": (
        "{field}: neither with edges that meet nor with features shared between steps; switch one of them off.",
        "{field}：不能与无缝拼接或步间共享特征同时使用；请关闭其一。",
    ),
}
