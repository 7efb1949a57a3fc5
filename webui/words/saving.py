"""What the settings of saving and of models say: key or code -> (English, 简体中文)."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "saving": ("How pictures are saved", "图片保存方式"),
    "pattern": ("Names", "文件名"),
    "format": ("Format", "格式"),
    "sidecars": ("Text file beside it", "附带文本文件"),
    "saving_grid": ("Grid of a run", "整批拼图"),
    "grid_plain": ("Pictures only", "仅图片"),
    "grid_seeds": ("With seeds", "带种子"),
    "grid_none": ("None", "不保存"),
    "saving_example": ("Example:", "示例："),
    "saving_save": ("Keep", "保存"),
    "saving_kept": ("Kept: the next picture is saved so.", "已保存：下一张图片将这样保存。"),
    "saving_unkept": ("Not kept yet.", "尚未保存。"),
    "saving_free": ("{free} GB are free on the disk of the pictures.", "图片所在磁盘剩余 {free} GB。"),
}
SENTENCES: dict[str, tuple[str, str]] = {
    "reading_not_kept": (
        "Whether model files are read again cannot be kept: {reason}.",
        "无法保存是否重新读取模型文件的设置：{reason}。",
    ),
    "saving_not_kept": ("How pictures are saved cannot be kept: {reason}.", "无法保存图片保存方式：{reason}。"),
    "model_settings_not_kept": ("The model's settings cannot be kept: {reason}.", "无法保存模型的设置：{reason}。"),
}
