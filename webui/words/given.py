"""What is said of pictures and texts that are dropped or pasted: key -> (English, 简体中文)."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "many": ("Several pictures", "多张图片"),
    "many_note": (
        "Each is a run of its own, with these settings and this size; the one picture then counts nothing.",
        "每张图片单独成为一个任务，使用此处的参数与尺寸；单独给出的那张图片则不起作用。",
    ),
    "many_pictures": ("Pictures to start from", "起始图片"),
    "many_masks": ("Their masks, of the same names", "同名蒙版"),
    "text_read": ("The pasted text's settings are in the form.", "已将粘贴文本中的参数填入表单。"),
}

# the script's own
GIVEN_WORDS: dict[str, tuple[str, str]] = {
    "drop_here": ("Drop the picture, then choose what it is for", "松开图片，然后选择用途"),
    "refused": ("The file could not be taken: it may be too large.", "无法接收该文件：可能太大。"),
    "question": ("What is this picture for?", "这张图片用来做什么？"),
    "run": ("Use its settings", "使用其参数"),
    "img2img": ("Start from it (img2img)", "作为原图（图生图）"),
    "inpaint": ("Paint a mask on it (Inpaint)", "涂抹蒙版（局部重绘）"),
    "again": ("See its settings, make it again", "查看参数并重现"),
    "cancel": ("Cancel", "取消"),
    "undo": ("Undo", "撤销"),
    "dismiss": ("Close", "关闭"),
}
