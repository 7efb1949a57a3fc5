"""What the settings of saving say: key -> (English, 简体中文)."""

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
# Rules of `InvalidRequest`
SAVING_RULES: tuple[tuple[str, str], ...] = (
    (r"must use each token once, got (.+) twice", r"每个标记只能用一次，\1 出现了两次"),
    (r"must hold \[number\], which keeps names apart, got (.+)", r"必须包含 [number] 以区分文件名，现为 \1"),
    (r"must not hold (.+)", r"不能包含 \1"),
    (r"must have at most (.+) bytes beside its tokens, got (.+)", r"标记之外最多 \1 字节，现为 \2"),
    (
        r"must use tokens of at most (.+) bytes beside the prompt, got up to (.+)",
        r"提示词以外的标记最多 \1 字节，现可达 \2",
    ),
    (r"must not begin with a dot or a space, got (.+)", r"不能以点或空格开头，现为 \1"),
    (r"must be one that this Pillow can write, got (.+)", r"此处的 Pillow 无法写入 \1"),
    (r"must be of (.+), got (.+)", r"必须是 \1，现为 \2"),
)
