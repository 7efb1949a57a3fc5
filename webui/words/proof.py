"""What is said of pictures made again and compared: key -> (English, 简体中文)."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "proof_before": ("in the file", "文件中"),
    "proof_now": ("made now", "现在生成"),
    "proof_difference": ("difference, {factor} times as strong", "差异（放大 {factor} 倍）"),
    "files": ("Pictures", "图片"),
}
# Rules of `InvalidRequest`
PROOF_RULES: tuple[tuple[str, str], ...] = (
    (r"must be from (.+) to (.+) pictures, got (.+)", r"必须为 \1 到 \2 张，现为 \3 张"),
)
SENTENCES: dict[str, tuple[str, str]] = {
    "no_settings": ("The file does not hold the settings that made it.", "文件中没有生成它的设置。"),
}
