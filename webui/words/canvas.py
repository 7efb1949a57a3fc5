"""What the canvas says: key -> (English, 简体中文)."""

from __future__ import annotations

CANVAS_WORDS: dict[str, tuple[str, str]] = {
    "empty": ("Your pictures appear here.", "图片会显示在这里。"),
    "first_generate": (
        "Say what the picture should show and press Generate, or Ctrl+Enter.",
        "描述想要的画面，然后点“生成”或按 Ctrl+Enter。",
    ),
    "first_again": (
        "Every picture carries its settings: Make again repeats it, pixel for pixel.",
        "每张图片都带有自己的参数：“重现”可逐像素地再生成一次。",
    ),
    "first_given": (
        "Drop or paste a picture or its settings anywhere; the key ? lists all keys.",
        "可在任意位置拖入或粘贴图片及其参数；按 ? 查看所有快捷键。",
    ),
    "first_dismiss": ("Got it", "知道了"),
    "strip": ("Pictures of this run and recent ones", "本次与最近的图片"),
    "recent": ("Recent", "最近"),
    "seed": ("seed", "种子"),
    "preview": ("Preview of the picture being made", "正在生成的图片预览"),
    "verbs": ("What can be done with the picture", "对图片的操作"),
    "rate": ("Stars", "星级"),
    "download": ("Download", "下载"),
    "copy": ("Copy", "复制"),
    "copy_seed": ("Copy the seed", "复制种子"),
    "copy_settings": ("Copy the settings", "复制参数"),
    "copy_picture": ("Copy the picture", "复制图片"),
    "copied": ("Copied.", "已复制。"),
    "not_copied": ("The browser did not allow copying.", "浏览器不允许复制。"),
    "to_img2img": ("To img2img", "到图生图"),
    "to_inpaint": ("To inpaint", "到局部重绘"),
    "to_again": ("Make again", "重现"),
    "check_now": ("Check", "验证"),
    "check_hint": ("Makes it again now and compares every pixel", "立即重新生成并逐像素比较"),
    "reuse_seed": ("Reuse seed", "沿用种子"),
    "vary": ("Vary", "变体"),
    "reuse_all": ("Reuse all", "沿用全部"),
    "to_looks": ("Where words look", "词语看向哪里"),
    "compare": ("Compare", "对比"),
    "compare_hint": ("With the picture shown before", "与之前显示的图片对比"),
    "delete": ("Delete", "删除"),
    "deleted": ("Moved to the trash.", "已移入回收站。"),
    "undo": ("Undo", "撤销"),
    "failed": ("The program does not answer.", "程序没有响应。"),
}
