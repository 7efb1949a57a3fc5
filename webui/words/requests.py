"""Rules of a request and its fields: code -> (English, 简体中文). `{field}` is the field's name."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    "whole_number": (
        "{field} must be a whole number from {low:,} to {high:,}, got {value}.",
        "{field}必须是 {low:,} 到 {high:,} 之间的整数，现为 {value}。",
    ),
    "number": (
        "{field} must be a number from {low:,} to {high:,}, got {value}.",
        "{field}必须是 {low:,} 到 {high:,} 之间的数，现为 {value}。",
    ),
    "multiple": ("{field} must be a multiple of {step}, got {value}.", "{field}必须是 {step} 的倍数，现为 {value}。"),
    "choice": ("{field} must be one of {choices}, got {value}.", "{field}必须是以下之一：{choices}，现为 {value}。"),
    "picture_needed": ("Choose a picture to start from.", "请先选择原图。"),
}
