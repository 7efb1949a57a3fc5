"""What the engine says while it runs, and why it stops: code -> (English, 简体中文)."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    "step_not_finite": (
        "The model gave numbers that are not finite at step {step}; nothing was saved.",
        "模型在第 {step} 步给出了非有限数值，未保存任何图片。",
    ),
    "attention_dialect": (
        "{field} must be {dialect} to see where words look, got {value}.",
        "要查看词语关注的位置，{field}必须是 {dialect}，现为 {value}。",
    ),
}
