"""What is told of pictures, their folders and the index: code -> (English, 简体中文)."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    "the_picture": ("The picture", "图片"),
    "picture_gone": ("{name} does not exist.", "{name} 不存在。"),
    "picture_no_file": ("{name} is not a file.", "{name} 不是文件。"),
    "picture_closed": ("{name} cannot be opened.", "{name} 无法打开。"),
    "picture_file_too_large": (
        "{name} has {size:,.0f} MB; at most {limit:,} MB are read.",
        "{name} 有 {size:,.0f} MB；最多读取 {limit:,} MB。",
    ),
    "picture_too_many_pixels": (
        "{name} has too many pixels; at most {limit:,} million are read.",
        "{name} 像素过多；最多读取 {limit:,} 百万像素。",
    ),
    "picture_no_picture": (
        "{name} is not a picture of a kind that is read here: {formats}.",
        "{name} 不是可读取的图片格式：{formats}。",
    ),
    "picture_damaged": ("{name} is damaged or not complete.", "{name} 已损坏或不完整。"),
    "picture_too_many_pieces": (
        "{name} is made of more chunks than any picture needs, and is not read.",
        "{name} 的数据块数量远超正常图片，不予读取。",
    ),
    "picture_memory": ("{name} takes more memory than a picture may.", "{name} 占用的内存超出限制。"),
    "picture_ended_reading": (
        "The process that read {name} ended without a word.",
        "读取 {name} 的进程意外终止。",
    ),
    "missing_model": ("model {name}", "模型 {name}"),
    "missing_lora": ("LoRA {name}", "LoRA {name}"),
    "missing_file": ("{what} {name}", "{what} {name}"),
    "sent_nothing": ("This picture does not hold settings we know.", "这张图片不含可识别的生成参数。"),
    "sent_missing": ("Not here: {names}.", "此处没有：{names}。"),
    "sent_model_kept": (
        "The picture's model cannot be run here: the form keeps its own, and the picture will be another one.",
        "图片所用的模型在此无法运行：表单保留现有模型，生成的图片会不同。",
    ),
    "sent_to_vary": (
        "Ready for {count} variations of strength {strength}: press Generate. Undo or Defaults switches them off.",
        "已准备 {count} 张强度 {strength} 的变体：请点“生成”。变体会一直开着，直到“撤销”或“默认设置”。",
    ),
    "sent_to_detail": (
        "Ready to refine details: say where, or choose a detector, and press Generate. All else stays as it is.",
        "已准备修复细节：请填写区域或选择检测器，然后点“生成”。其余部分保持原样。",
    ),
    "sent_to_detail_found": (
        "Ready to refine details: press Generate, and {detector} looks for them. All else stays as it is.",
        "已准备修复细节：点“生成”后由 {detector} 查找。其余部分保持原样。",
    ),
    "sent_to_detail_painted": (
        "Paint what is to be refined and press Generate: that part alone is repainted, larger.",
        "请涂出要修复的部分，然后点“生成”：只有该部分会放大重绘。",
    ),
    "sent_not_understood": ("Not understood: {names}.", "未能识别：{names}。"),
    "sent_start_missing": (
        "The picture that it was made from is not here: choose one to start from.",
        "制作它所用的原图不在此处：请另选一张起始图片。",
    ),
    "sent_map_missing": (
        "A map that it followed is not here: choose a picture for the ControlNet.",
        "它所用的控制图不在此处：请为 ControlNet 另选图片。",
    ),
    "sent_reference_missing": (
        "A reference picture that it was made with is not here: choose another.",
        "制作它所用的参考图片不在此处：请另选一张。",
    ),
    "sent_from_batch": (
        "It was computed together with others, {count} at once: alone it may differ a little. Make again repeats them"
        " all.",
        "它与其他图片一起计算（每次 {count} 张）：单独生成可能略有差异；“重现图片”会重复整批。",
    ),
    "left_out_deep": (
        "{count:,} folders more than {limit} folders deep are left out, such as {name}.",
        "{count:,} 个文件夹超过 {limit} 层，未列出其中图片，例如 {name}。",
    ),
    "left_out_links": (
        "{count:,} files are links to other places and are left out, such as {name}.",
        "{count:,} 个文件是指向别处的链接，未列出，例如 {name}。",
    ),
    "left_out_names": (
        "{count:,} names that are no text are left out, such as {name}.",
        "{count:,} 个名称无法解读为文字，未列出，例如 {name}。",
    ),
    "left_out_closed": (
        "{count:,} folders may not be read and are left out, such as {name}.",
        "{count:,} 个文件夹无权读取，未列出，例如 {name}。",
    ),
    "picture_bug": (
        "What {name} says could not be read: the program has a bug ({reason}).",
        "无法读取 {name} 中的信息：程序有错误（{reason}）。",
    ),
    "picture_unknown": ("There is no such picture.", "没有这张图片。"),
    "folder_full": ("The disk of the output folder is full: {folder}.", "输出文件夹所在磁盘已满：{folder}。"),
    "folder_closed": ("The output folder cannot be written: {folder}.", "输出文件夹无法写入：{folder}。"),
    "folder_gone": ("The output folder is gone: {folder}.", "输出文件夹已不存在：{folder}。"),
    "folder_path_too_long": ("The path of the output folder is too long: {folder}.", "输出文件夹路径过长：{folder}。"),
    "folder_failed": ("The output folder failed ({reason}): {folder}.", "输出文件夹出错（{reason}）：{folder}。"),
    "space_short": (
        "The disk of the output folder has {free:,.0f} MB free, this run wants {need:,.0f} MB: {folder}.",
        "输出文件夹所在磁盘剩余 {free:,.0f} MB，本次运行需要 {need:,.0f} MB：{folder}。",
    ),
    "input_name": (
        "A picture to start from is named by 64 hexadecimal digits, got {value}.",
        "原图以 64 位十六进制数命名，现为 {value}。",
    ),
    "input_gone": (
        "The picture to start from, {name}…, is no longer in {folder}.",
        "原图 {name}… 已不在 {folder}。",
    ),
    "input_unreadable": (
        "The picture to start from, {name}…, in {folder} cannot be read.",
        "{folder} 中的原图 {name}… 无法读取。",
    ),
    "input_changed": (
        "The picture to start from, {name}…, in {folder} was changed.",
        "{folder} 中的原图 {name}… 已被改动。",
    ),
    "index_failed": (
        "The index of the output folder failed ({reason}): {folder}.",
        "输出文件夹的索引出错（{reason}）：{folder}。",
    ),
    "index_damaged": (
        "The index of the output folder was damaged: it is being made anew from the files in {folder}.",
        "输出文件夹的索引已损坏：正在根据 {folder} 中的文件重新建立。",
    ),
    "index_process_ended": (
        "A process that read pictures for the index was ended from outside: {folder}.",
        "为索引读取图片的进程被外部终止：{folder}。",
    ),
    "tag_rule": (
        "A tag has 1 to {limit} characters and no comma, got {value}.",
        "标签须为 1 到 {limit} 个字符且不含逗号，现为 {value}。",
    ),
    "place_unknown": ("The list cannot go on from {value}.", "列表无法从 {value} 继续。"),
    "day_out_of_range": ("Choose a day since 1970, got {value}.", "请选择 1970 年以后的日期，现为 {value}。"),
    "folder_name": (
        "Name one to {most} folders with / between them, got {value}.",
        "请填写一到 {most} 层文件夹名，以 / 分隔，现为 {value}。",
    ),
    "sheet_count": (
        "Choose from 1 to {limit:,} pictures, got {value:,}.",
        "请选择 1 到 {limit:,} 张图片，现为 {value:,} 张。",
    ),
    "format_unwritable": ("This machine's Pillow cannot write {value}.", "此处的 Pillow 无法写入 {value}。"),
    "pattern_twice": ("A name uses each token once, got {token} twice.", "每个标记只能用一次，{token} 出现了两次。"),
    "pattern_number": (
        "A name must hold [number], which keeps names apart, got {value}.",
        "文件名必须包含 [number] 以区分文件，现为 {value}。",
    ),
    "pattern_character": ("A name must not hold {value}.", "文件名不能包含 {value}。"),
    "pattern_words": (
        "A name has at most {limit} bytes beside its tokens, got {value}.",
        "标记之外最多 {limit} 字节，现为 {value}。",
    ),
    "pattern_tokens": (
        "The tokens of a name take at most {limit} bytes beside the prompt, got up to {value}.",
        "提示词以外的标记最多 {limit} 字节，现可达 {value}。",
    ),
    "pattern_begin": (
        "A name must not begin with a dot or a space, got {value}.",
        "文件名不能以点或空格开头，现为 {value}。",
    ),
}
