"""What the engine says while it runs, and why it stops: code -> (English, 简体中文)."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    # -- what only the loaded model tells
    "picture_to_change_needed": (
        "Choose a picture: this model changes pictures and makes none without one.",
        "请先选择图片：该模型只修改图片，没有图片无法生成。",
    ),
    "too_small_alone": (
        "{field} must be larger with this model without guidance and one image at a time, got {value}.",
        "使用该模型且无引导、逐张生成时，{field}必须更大，现为 {value}。",
    ),
    "attention_dialect": (
        "{field} must be {dialect} to see where words look, got {value}.",
        "要查看词语关注的位置，{field}必须是 {dialect}，现为 {value}。",
    ),
    # -- numbers
    "not_finite_at": (
        "The model gave numbers that are not finite at step {step}; nothing was saved.",
        "模型在第 {step} 步给出非有限数值，未保存任何内容。",
    ),
    "upscaled_not_finite": (
        "{name} gave numbers that are no colours for this picture; nothing was saved. Another upscaler may do.",
        "{name} 对此图片输出了无效数值，未保存任何内容。可换用其他放大模型。",
    ),
    "not_finite_decoded": (
        "The model's decoder gave numbers that are not finite; nothing was saved.",
        "模型的解码器给出非有限数值，未保存任何内容。",
    ),
    "not_finite_encoded": (
        "The model's encoder gave numbers that are not finite for this picture; nothing was saved.",
        "模型的编码器对这张图片给出非有限数值，未保存任何内容。",
    ),
    "not_finite_without_float32": (
        "The model gave numbers that are not finite, and float32 takes more memory than there is; nothing was saved.",
        "模型给出非有限数值，而改用 float32 内存不足，未保存任何内容。",
    ),
    # -- memory
    "too_little_memory": (
        "The device has too little memory for this: try a smaller picture or a smaller batch.",
        "设备内存不足：请缩小图片或减少每批张数。",
    ),
    "too_little_memory_fits": (
        "The device has too little memory for this: about {width} × {height} fits.",
        "设备内存不足：大约可用 {width} × {height}。",
    ),
    "slow_step": (
        "A step took {seconds:.1f} s, the ones before about {usual:.1f} s: the card's memory may have spilled into main"
        " memory. A smaller picture or batch, or closing other programs, makes it quick again.",
        "有一步用了 {seconds:.1f} 秒，此前每步约 {usual:.1f} 秒：显存可能已溢出到内存。"
        "缩小图像或批量，或关闭其他程序，即可恢复速度。",
    ),
    # -- the process that works
    "stopped": ("Stopped.", "已停止。"),
    "engine_closed": ("The engine is closed.", "引擎已关闭。"),
    "worker_ended": (
        "The worker process ended unexpectedly ({ending}); a new one is started.",
        "工作进程意外结束（{ending}），正在启动新的进程。",
    ),
    "device_failed": (
        "The graphics card or its driver failed: {reason}",
        "显卡或其驱动出错：{reason}",
    ),
    "worker_ends_while_starting": (
        "The worker process ended {times} times while it started ({ending}).",
        "工作进程在启动时结束了 {times} 次（{ending}）。",
    ),
    "worker_cannot_start": ("The worker cannot start: {reason}", "工作进程无法启动：{reason}"),
    "exit_status": ("exit status {status}", "退出码 {status}"),
}
