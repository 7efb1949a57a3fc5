"""The queue and its jobs: code -> (English, 简体中文)."""

from __future__ import annotations

# What the list of the queue says; its script looks the words up itself.
QUEUE_WORDS: dict[str, tuple[str, str]] = {
    "title": ("Queue: {count}", "队列：{count} 个任务"),
    "more": ("and {count} more", "另有 {count} 个"),
    "cancel": ("Cancel", "取消"),
    "cancel_all": ("Cancel all", "全部取消"),
    "sure": ("Cancel all {count} jobs? Finished pictures stay.", "取消全部 {count} 个任务？已完成的图片会保留。"),
    "again": ("Try again", "重试"),
    "none": ("Nothing waits.", "没有等待的任务。"),
    "failed": ("The program did not answer.", "程序没有响应。"),
}
WORDS: dict[str, tuple[str, str]] = {
    "queue_running": ("running", "运行中"),
    "queue_queued": ("waiting", "等待中"),
}
SENTENCES: dict[str, tuple[str, str]] = {
    "bug": (
        "The program has a bug: the log says where. The other jobs go on.",
        "程序出现错误，详情见日志。其他任务继续运行。",
    ),
    "job_kind_unknown": (
        "This job ({kind}) was queued by a newer Seedprint, which can run it.",
        "此任务（{kind}）由更新版本的 Seedprint 提交，只有该版本可以运行。",
    ),
    "ended_often": (
        "The program ended {times} times during this run. “Try again” goes on with it; it can be cancelled too.",
        "运行期间程序中断了 {times} 次。点击“重试”继续运行，也可以取消此任务。",
    ),
    "worker_lost": (
        "The worker ended during this run ({why}); it is tried once more.",
        "运行期间工作进程中断（{why}），将再试一次。",
    ),
    "worker_lost_again": (
        "The worker ended {times} times during this run; the last time: {why}",
        "运行期间工作进程中断了 {times} 次，最近一次：{why}",
    ),
    "picture_not_made": ("A picture could not be made.", "有一张图片未能生成。"),
    "pictures_count": (
        "Choose from 1 to {limit:,} pictures, got {value:,}.",
        "请选择 1 到 {limit:,} 张图片，现为 {value:,} 张。",
    ),
    "pictures_unknown": (
        "{count} of the chosen pictures are not there any more: load the page of the history again.",
        "所选图片中有 {count} 张已不存在：请重新加载历史页面。",
    ),
    "pictures_lost": ("There is no picture {names} any more.", "图片 {names} 已不存在。"),
    "queue_full": (
        "The queue holds at most {limit:,} jobs: {waiting:,} wait already, and these are {value:,} more.",
        "队列最多 {limit:,} 个任务：已有 {waiting:,} 个在等待，又要加入 {value:,} 个。",
    ),
    "settings_lost": (
        "{name} lost its settings while its run was going on.",
        "{name} 在运行期间丢失了生成参数。",
    ),
}
