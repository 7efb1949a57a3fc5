"""What the command line says of its options, and refuses: -> (English, 简体中文)."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "group_init": ("from a picture", "以图片为起点"),
    "group_inpaint": ("only part of it", "只重绘一部分"),
}
SENTENCES: dict[str, tuple[str, str]] = {
    "file_wanted": ("{field} must be a file, got {value}.", "{field}必须是文件，现为 {value}。"),
    "option_needs": ("{field} must be given with {option}, got none.", "使用 {option} 时必须给出{field}。"),
}
