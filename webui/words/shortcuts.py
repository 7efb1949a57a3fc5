"""What the list of keys says: key -> (English, 简体中文)."""

from __future__ import annotations

SHORTCUT_WORDS: dict[str, tuple[str, str]] = {
    "title": ("Keys", "快捷键"),
    "close": ("Close", "关闭"),
    "everywhere": ("Everywhere", "任何地方"),
    "this_list": ("This list, but where one types", "显示此列表（输入文字时除外）"),
    "generate": ("Generate", "生成"),
    "fold": ("Close what lies open: a list, a drawer, the queue", "关闭打开的列表、抽屉或队列"),
    "paste": ("Paste a picture, or a text of settings into the prompt", "粘贴图片，或将参数文本粘贴到提示词框"),
    "tabs": ("Tabs: the next or previous one", "标签页：下一个或上一个"),
    "prompt": ("In a prompt", "提示词框中"),
    "weigh": ("Weigh the words at the caret more or less", "提高或降低光标处词语的权重"),
    "move": ("Move the phrase at the caret", "移动光标处的短语"),
    "picture": ("On a picture", "图片上"),
    "step": ("The next or previous picture", "下一张或上一张"),
    "zoom": ("Larger or smaller", "放大或缩小"),
    "pan": ("Move it about", "移动画面"),
    "fit": ("All of it", "适应窗口"),
    "full_size": ("1:1", "原始大小 1:1"),
    "screen": ("Full screen", "全屏"),
    "painter": ("While painting a mask", "涂抹蒙版时"),
    "width": ("A narrower or wider brush", "缩小或放大画笔"),
    "undo": ("Take the last stroke back", "撤销上一笔"),
}
