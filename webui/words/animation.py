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

ANIMATION_WORDS: dict[str, tuple[str, str]] = {
    "animation": ("Animation: from keyframe to keyframe", "动画：从关键帧到关键帧"),
    "animation_text": (
        "Prompts, seeds and numbers at some frames; between them embeddings are mixed, noise goes along the sphere, and"
        " numbers go straight. With zoom, turn, right or down each frame is made of the one before (img2img). Every"
        " frame is a picture like any other.",
        "在某些帧上给出提示词、种子和数值；其间嵌入按比例混合，噪声沿球面变化，数值直线变化。"
        "若写有 zoom、turn、right 或 down，则每一帧由前一帧移动后图生图得到。每一帧都是普通图片。",
    ),
    "animation_paper": (
        "Shoemake 1985; Song, Meng, Ermon 2021, section 5.3; docs/animation.md has every key",
        "Shoemake 1985；Song、Meng、Ermon 2021，5.3 节；所有键见 docs/animation.md",
    ),
    "text": ("Settings and keyframes (YAML)", "参数与关键帧（YAML）"),
    "of_picture": ("Begin with the picture's settings", "以所选图片的参数开始"),
    "typed": (
        "What you typed meanwhile stays. Press once more for the picture's settings.",
        "保留了您刚才输入的内容。再按一次即可使用图片的参数。",
    ),
    "no_picture": ("Choose a picture above.", "请在上方选择一张图片。"),
    "recent": ("Earlier ones", "之前的动画"),
    "none": ("…", "……"),
    "plan": ("What it will cost", "估算开销"),
    "make": ("Make it, or go on", "生成或继续"),
    "cancel": ("Stop", "停止"),
    "working": (
        "Frame {frame} of {frames}, step {step} of {steps} …",
        "第 {frame}/{frames} 帧，第 {step}/{steps} 步……",
    ),
    "stopped": (
        "Stopped at {done} of {frames} frames; it goes on where it was.",
        "已停在第 {done}/{frames} 帧，可从此处继续。",
    ),
    "done": ("{frames} frames, {fps} a second.", "共 {frames} 帧，每秒 {fps} 帧。"),
    "player": ("Frame {frame} of {frames}", "第 {frame}/{frames} 帧"),
    "frame": ("Frame", "帧"),
    "play": ("Play", "播放"),
    "pause": ("Pause", "暂停"),
    "webp": ("Save as WebP", "存为 WebP"),
    "apng": ("Save as APNG", "存为 APNG"),
    "gif": ("Save as GIF (256 colours)", "存为 GIF（256 色）"),
    "failed": ("The program does not answer.", "程序没有响应。"),
}
