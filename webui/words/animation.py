"""What is said of animations."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "frames": ("Frames", "帧数"),
    "fps": ("Frames a second", "每秒帧数"),
    "seed_step": ("Step of the seed", "种子步进"),
    "animation": ("Animation", "动画"),
    "zoom": ("Zoom", "缩放"),
    "turn": ("Turn", "旋转"),
    "right": ("Right", "右移"),
    "down": ("Down", "下移"),
}
SENTENCES: dict[str, tuple[str, str]] = {
    "animation_mapping": (
        "{field} must be settings with their values, as `prompt: a red star`, got {value}.",
        "{field}必须由参数及其取值组成，例如 `prompt: a red star`，现为 {value}。",
    ),
    "animation_key": (
        "{field} has no setting {value}; the nearest: {nearest}.",
        "{field}没有参数 {value}；相近的有：{nearest}。",
    ),
    "animation_switch": (
        "{key} counts only where {needed} is true.",
        "只有 {needed} 为 true 时，{key} 才有效。",
    ),
    "frames_wanted": (
        "{field} must say how many there are, as no keyframe after 0 does.",
        "必须写明{field}，因为没有 0 之后的关键帧。",
    ),
    "frames_keyframe": (
        "{field} must be more than the last keyframe, {last}, got {value}.",
        "{field}必须大于最后一个关键帧 {last}，现为 {value}。",
    ),
    "frames_pixels": (
        "{field} must have at most {limit:,} million pixels together, got {value:,} million.",
        "{field}合计不能超过 {limit:,} 百万像素，现为 {value:,} 百万。",
    ),
    "frames_sizes": (
        "{field} must all be of one size, {first}, got {value}.",
        "{field}的尺寸必须一致，应为 {first}，现有 {value}。",
    ),
    "keyframe_number": (
        "A keyframe of {field} must be a whole number from 0 to {high:,}, got {value}.",
        "{field}的关键帧必须是 0 到 {high:,} 之间的整数，现为 {value}。",
    ),
    "keyframes_none": ("{field} has no keyframe.", "{field}没有关键帧。"),
    "keyframes_not": (
        "{field} cannot have keyframes: prompts, the seed and numbers can.",
        "{field}不能有关键帧：只有提示词、种子和数值可以。",
    ),
    "walk_dialect": (
        "{field} must be compel where prompts turn into others, got {value}.",
        "提示词之间渐变时，{field}必须为 compel，现为 {value}。",
    ),
    "walk_variation": (
        "{field} cannot be beside a seed that has keyframes.",
        "种子有关键帧时，不能同时使用{field}。",
    ),
}
