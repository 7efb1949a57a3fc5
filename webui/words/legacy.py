"""Sentences of errors that are not codes yet, translated by pattern. Goes away when every room is converted."""

from __future__ import annotations

import re

from webui.words.lab import LAB_LABELS, LAB_RULES
from webui.words.models import WHOLE_RULES
from webui.words.proof import PROOF_RULES

# Rules of `InvalidRequest`, in the order they are tried.
RULES: tuple[tuple[str, str], ...] = (
    *PROOF_RULES,
    *WHOLE_RULES,
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
    (
        r"must give at most (.+) images with the batches when a prompt has choices, got (.+)",
        r"提示词含随机选项时连同批次最多 \1 张，现为 \2 张",
    ),
    (r"must make at most (.+) choices, got more", r"最多 \1 个随机选项"),
    (r"must not nest choices deeper than (.+)", r"随机选项最多嵌套 \1 层"),
    (r"must be at most (.+) in Compel's dialect, got (.+)", r"使用 Compel 语法时最大为 \1，现为 \2"),
    (r"must be in Compel's language, got what it cannot read: (.*)", r"Compel 无法解析：\1"),
    (r"must not use \.swap\(\).*", "不能使用 .swap()，它只在模型内部有效"),
    (r"must name LoRAs as (.+), got withLora", r"LoRA 请写成 \1"),
    (r"must be automatic or a VAE in the models folder, got (.+)", r"模型文件夹中没有这个 VAE：\1"),
    (r"must be given(?: with a mask)?, got none", r"请先选择图片"),
    (r"must have the picture's size (.+), got (.+)", r"尺寸必须与图片相同 \1，现为 \2"),
    (r"must be an existing picture, got (.+)", r"图片不存在：\1"),
    *LAB_RULES,
)


def in_chinese(rule: str) -> str:
    for pattern, replacement in RULES:
        if re.fullmatch(pattern, rule):
            return re.sub(pattern, replacement, rule)
    return rule


def label_in_chinese(label: str) -> str:
    for pattern, replacement in LAB_LABELS:
        if re.fullmatch(pattern, label):
            return re.sub(pattern, replacement, label)
    return label
