"""Making pictures larger from the page: key -> (English, 简体中文)."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {"job_upscale": ("Upscale", "放大")}
UPSCALE_WORDS: dict[str, tuple[str, str]] = {
    "larger": ("Upscale", "放大"),
    "larger_one": ("Make this picture larger", "放大这张图片"),
    "larger_many": ("Make {n} pictures larger", "放大 {n} 张图片"),
    "larger_upscaler": ("By", "放大方式"),
    "larger_by": ("Times as wide and high", "宽高放大倍数"),
    "larger_size": ("{before} becomes {after}", "{before} 变为 {after}"),
    "larger_close": ("Close", "关闭"),
    "larger_queued": ("Waiting for the runs before …", "正在等待前面的任务……"),
    "larger_running": ("Making it larger: {n} %", "正在放大：{n} %"),
    "larger_done": ("Made larger.", "已放大。"),
    "larger_many_queued": ("{n} pictures are in the queue to be made larger.", "{n} 张图片已加入放大队列。"),
    "larger_cancelled": ("Cancelled.", "已取消。"),
}
