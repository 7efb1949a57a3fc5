"""What the frame of a picture says (`shared/viewer.js`), wherever it stands: key -> (English, 简体中文)."""

from __future__ import annotations

VIEWER_WORDS: dict[str, tuple[str, str]] = {
    "view_stage": (
        "Picture: arrow keys go to the next or previous one, plus and minus zoom, 0 fits, 1 shows full size, F fills"
        " the screen",
        "图片：方向键切换上一张或下一张，加减键缩放，0 适应窗口，1 原始大小，F 全屏",
    ),
    "view_tools": ("View", "查看"),
    "view_smaller": ("Smaller (−)", "缩小（−）"),
    "view_larger": ("Larger (+)", "放大（+）"),
    "view_fit": ("Fit the frame (0)", "适应窗口（0）"),
    "view_full_size": ("1:1, full size (1)", "1:1 原始大小（1）"),
    "view_screen": ("Full screen (F)", "全屏（F）"),
    "view_split": ("Where the two pictures meet", "两张图片的分界线"),
}
