"""The Settings tab: key -> (English, 简体中文). How pictures are saved: `saving.py`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "settings_browser": ("This browser", "此浏览器"),
    "settings_begin": ("What the form begins with", "表单的初始值"),
    "settings_begin_hint": (
        "*Defaults* and a new form take the program's values for the chosen model, or your own.",
        "“默认值”和新表单采用程序为所选模型给出的值，或您自己的值。",
    ),
    "settings_begin_keep": ("Begin with what the form shows now", "以表单当前内容为初始值"),
    "settings_begin_forget": ("Begin with the program's values", "恢复程序的初始值"),
    "settings_begin_own": ("{name} begins with: {settings}.", "{name} 的初始值：{settings}。"),
    "settings_begin_plain": ("{name} begins with the program's values.", "{name} 采用程序的初始值。"),
    "settings_house": ("Memory and folders", "内存与文件夹"),
    "settings_version": ("Version", "版本"),
    "settings_device": ("Computes on", "计算设备"),
    "settings_memory": ("Memory", "内存"),
    "settings_memory_free": ("Of it free for a model and its work", "其中可供模型使用"),
    "settings_outputs": ("Pictures", "图片文件夹"),
    "settings_models": ("Models", "模型文件夹"),
    "settings_data": ("Queue and what is kept", "队列与保存的数据"),
}
PREFERENCE_WORDS: dict[str, tuple[str, str]] = {
    "language": ("Language", "语言"),
    "language_own": ("As the browser", "跟随浏览器"),
    "language_en": ("English", "英文"),
    "language_zh": ("Chinese", "简体中文"),
    "theme": ("Look", "外观"),
    "theme_own": ("As the system", "跟随系统"),
    "theme_light": ("Light", "浅色"),
    "theme_dark": ("Dark", "深色"),
    "notify": ("Tell me when a run ends while I look elsewhere", "任务结束而我不在看时通知我"),
    "notify_refused": (
        "The browser does not let this page tell you: allow notifications for it in the browser's own settings.",
        "浏览器不允许此页面通知您：请在浏览器设置中允许通知。",
    ),
}
