"""What is wrong with a file of the prompt library: code -> (English, 简体中文)."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    "library_place": ("{at}: {problem}", "{at}：{problem}"),
}
