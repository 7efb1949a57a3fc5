"""What the command line says of its options, and refuses: -> (English, 简体中文)."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "group_init": ("from a picture", "以图片为起点"),
    "group_inpaint": ("only part of it", "只重绘一部分"),
}
SENTENCES: dict[str, tuple[str, str]] = {
    "path_wanted": (
        "{field} must be an existing file or folder, got {value}.",
        "{field}必须是存在的文件或文件夹，现为 {value}。",
    ),
    "no_golden_set": (
        "There is no golden set: one is made before an upgrade, by verify --make-golden.",
        "没有基准图片：请在升级前用 verify --make-golden 生成。",
    ),
    "folder_wanted": ("{field} must be a folder, got {value}.", "{field}必须是文件夹，现为 {value}。"),
    "no_port": (
        "No port from {port} on is free; another one can be given with --port.",
        "从 {port} 起没有可用端口；可用 --port 指定其他端口。",
    ),
    "file_wanted": ("{field} must be a file, got {value}.", "{field}必须是文件，现为 {value}。"),
    "option_needs": ("{field} must be given with {option}, got none.", "使用 {option} 时必须给出{field}。"),
}
