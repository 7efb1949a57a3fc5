"""Sentences of errors that are not codes yet, translated by pattern. Goes away when every room is converted."""

from __future__ import annotations

import re

# Rules of `InvalidRequest`, in the order they are tried.
RULES: tuple[tuple[str, str], ...] = (
    (r"must be a whole number from (.+) to (.+), got None", r"请填写 \1 到 \2 之间的整数"),
    (r"must be a number from (.+) to (.+), got None", r"请填写 \1 到 \2 之间的数"),
    (r"must be a whole number from (.+) to (.+), got (.+)", r"必须是 \1 到 \2 之间的整数，现为 \3"),
    (r"must be a number from (.+) to (.+), got (.+)", r"必须是 \1 到 \2 之间的数，现为 \3"),
    (r"must be from (.+) to (.+), got (.+)", r"必须在 \1 到 \2 之间，现为 \3"),
    (r"must be a multiple of (.+), got (.+)", r"必须是 \1 的倍数，现为 \2"),
    (r"must be one of (.+) with (.+), got (.+)", r"采样器 \2 只能搭配 \1，现为 \3"),
    (r"must be one of (.+), got (.+)", r"必须是以下之一：\1，现为 \2"),
    (r"must have at most (.+) characters, got (.+)", r"最多 \1 个字符，现有 \2 个"),
    (r"must be at least (.+) for (.+) steps, got (.+)", r"\2 步时至少为 \1，现为 \3"),
    (r"must mark at least one pixel, got an empty mask", r"至少要涂抹一个像素，现为空"),
    (r"must be given(?: with a mask)?, got none", r"请先选择图片"),
    (r"must have the picture's size (.+), got (.+)", r"尺寸必须与图片相同 \1，现为 \2"),
    (r"must be an existing picture, got (.+)", r"图片不存在：\1"),
)


def in_chinese(rule: str) -> str:
    for pattern, replacement in RULES:
        if re.fullmatch(pattern, rule):
            return re.sub(pattern, replacement, rule)
    return rule
