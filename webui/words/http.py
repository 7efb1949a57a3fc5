"""What is told of requests themselves: code -> (English, 简体中文)."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    "body_too_large": ("At most {limit:,} MB are taken at once.", "一次最多接收 {limit:,} MB。"),
    "uploads_full": (
        "Too much was uploaded in the last {minutes} minutes. Try again later.",
        "最近 {minutes} 分钟内上传过多，请稍后再试。",
    ),
    "request_wrong": (
        "The request is not understood ({value}). Load the page anew.",
        "无法理解该请求（{value}）。请重新加载页面。",
    ),
}
