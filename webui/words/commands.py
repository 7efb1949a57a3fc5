"""What the command line says of its options, and refuses: -> (English, 简体中文)."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "group_init": ("from a picture", "以图片为起点"),
    "no_entry": (
        "Open this page by the link that the program printed when it started; `python app.py link` prints it again.",
        "请用程序启动时打印的链接打开本页；运行 `python app.py link` 可再次打印该链接。",
    ),
    "group_inpaint": ("only part of it", "只重绘一部分"),
    # -- what `--help` says where the page's label is too short
    "model_help": (
        "A model's name, as the Models tab has it; left out: the first",
        "模型名称，见“模型”标签页；省略则用第一个",
    ),
    "vae_help": ("A VAE's name; left out: the model's own", "VAE 名称；省略则用模型自带的"),
    "seed_help": ("Seed of the first picture; -1 or left out: drawn", "第一张图片的种子；-1 或省略则随机"),
    "init_image_help": (
        "The picture to start from, or a folder of them: a run each",
        "作为起点的图片；若为文件夹，则每张图片各运行一次",
    ),
    "mask_help": (
        "White is painted anew; as large as the picture. Of a folder of pictures: a folder of masks of their names",
        "白色部分将重绘；尺寸与图片相同。图片为文件夹时：含同名蒙版的文件夹",
    ),
}
SENTENCES: dict[str, tuple[str, str]] = {
    "path_wanted": (
        "{field} must be an existing file or folder, got {value}.",
        "{field}必须是存在的文件或文件夹，现为 {value}。",
    ),
    "no_golden_set": (
        "There is no golden set: one is made before an upgrade, by verify --make-golden.",
        "没有基准图片：请在升级前用 verify --make-golden 生成。",
    ),
    "folder_wanted": ("{field} must be a folder, got {value}.", "{field}必须是文件夹，现为 {value}。"),
    "data_folder": (
        "The data folder {folder} cannot be used: {reason}",
        "数据文件夹 {folder} 无法使用：{reason}",
    ),
    "file_not_written": ("{file} cannot be written: {reason}.", "无法写入 {file}：{reason}。"),
    "file_not_removed": ("{file} cannot be removed: {reason}.", "无法删除 {file}：{reason}。"),
    "no_port": (
        "No port from {port} on is free; another one can be given with --port.",
        "从 {port} 起没有可用端口；可用 --port 指定其他端口。",
    ),
    "no_cards": (
        "--device all: no CUDA card is found here.",
        "--device all：此处未找到 CUDA 显卡。",
    ),
    "not_running": (
        "No program runs on the data folder {folder}. `python app.py` starts one.",
        "没有程序在使用数据文件夹 {folder}。请用 `python app.py` 启动。",
    ),
    "file_wanted": ("There is no file {value}.", "没有文件 {value}。"),
    "folder_count": (
        "There must be from 1 to {limit} pictures to start from, got {value}.",
        "起始图片须为 1 到 {limit} 张，现有 {value} 张。",
    ),
    "folder_masks": ("No mask has the name of {names}.", "没有与 {names} 同名的蒙版。"),
    "option_needs": ("--{option} needs --{needed} beside it.", "--{option} 需要同时给出 --{needed}。"),
    "preset_not_there": (
        "There is no preset {value}. The nearest: {nearest}; the page shows all {count}.",
        "没有预设 {value}。相近的有：{nearest}；页面上可见全部 {count} 个。",
    ),
    "model_unknown": (
        "There is no model {value}; there is {known}. More go into the models folder.",
        "没有模型 {value}；现有 {known}。其他模型请放入 models 文件夹。",
    ),
}
