"""Rules of a request and its fields: code -> (English, 简体中文). `{field}` is the field's name."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    "and_more": ("… and {count:,} more", "…… 另有 {count:,} 个"),
    "nothing": ("nothing", "空"),
    # -- a field by itself (`pipelines.fields`)
    "whole_number": (
        "{field} must be a whole number from {low:,} to {high:,}, got {value}.",
        "{field}必须是 {low:,} 到 {high:,} 之间的整数，现为 {value}。",
    ),
    "number": (
        "{field} must be a number from {low:,} to {high:,}, got {value}.",
        "{field}必须是 {low:,} 到 {high:,} 之间的数，现为 {value}。",
    ),
    "at_least": ("{field} must be at least {low}, got {value}.", "{field}至少为 {low}，现为 {value}。"),
    "multiple": ("{field} must be a multiple of {step}, got {value}.", "{field}必须是 {step} 的倍数，现为 {value}。"),
    "choice": ("{field} must be one of {choices}, got {value}.", "{field}必须是以下之一：{choices}，现为 {value}。"),
    "flag": ("{field} must be true or false, got {value}.", "{field}必须为 true 或 false，现为 {value}。"),
    "text_wanted": ("{field} must be text, got {value}.", "{field}必须是文字，现为 {value}。"),
    "text_too_long": (
        "{field} must have at most {limit:,} characters, got {value:,}.",
        "{field}最多 {limit:,} 个字符，现有 {value:,} 个。",
    ),
    "text_not_unicode": (
        "{field} holds a character that is no text: NUL, or half of a surrogate pair.",
        "{field}含有不是文字的字符：NUL 或半个代理对。",
    ),
    "name_wanted": ("{field} must be a name, got {value}.", "{field}必须是名称，现为 {value}。"),
    "picture_mode": (
        "{field} must be a picture of the mode {mode}, got {value}.",
        "{field}必须是 {mode} 模式的图片，现为 {value}。",
    ),
    # -- what goes with what (`pipelines.types`)
    "schedule_of_sampler": (
        "{field} must be one of {choices} with {sampler}, got {value}.",
        "采样器 {sampler} 的{field}只能是 {choices}，现为 {value}。",
    ),
    "no_step_runs": (
        "{field} must be at least {least:g} for {steps} steps, got {value}: no step would run.",
        "{steps} 步时{field}至少为 {least:g}，现为 {value}：一步都不会运行。",
    ),
    "hires_beside_picture": (
        "{field} is for pictures from words alone: leave the start picture out, or switch it off.",
        "{field}只用于文生图：请去掉原图，或将其关闭。",
    ),
    "second_side": (
        "{field} would give a side of {value:,} pixels; the second pass makes {low:,} to {high:,}.",
        "{field}会得到 {value:,} 像素的边长，第二遍只能在 {low:,} 到 {high:,} 之间。",
    ),
    "choices_second": (
        "{field} must not hold choices in braces or lists: they are drawn for the first pass alone.",
        "{field}中不能有花括号选项或词表：只有第一遍会抽取。",
    ),
    "mask_empty": ("Paint over what should change: the mask is empty.", "请涂抹需要改变的区域：蒙版为空。"),
    "mask_gone": (
        "Of the mask nothing is left after shrinking and fitting: paint more.",
        "蒙版在收缩和适配之后已为空：请多涂一些。",
    ),
    "mask_from_elsewhere": ("The mask must be drawn or uploaded on this page.", "蒙版必须在本页绘制或上传。"),
    "regions_prompts": (
        "{field}: there are {regions} regions, so AND must join {regions} or {more} prompts; there are {value}.",
        "{field}：共 {regions} 个区域，需用 AND 连接 {regions} 或 {more} 个提示词，现有 {value} 个。",
    ),
    "ratios_wanted": (
        "{field} must be {low} to {high} numbers above 0 with colons between them, as 1:2, got {value}.",
        "{field}必须是 {low} 到 {high} 个以冒号分隔的正数，例如 1:2，当前为 {value}。",
    ),
    "overlap_half": (
        "{field} must be at most half of the tile, which is {tile} pixels, got {value}.",
        "{field}最多为分块（{tile} 像素）的一半，当前为 {value}。",
    ),
    "upscaled_pixels": (
        "{field} would give a picture of {value} million pixels; at most {limit} million are made.",
        "{field}会得到 {value} 百万像素的图片，最多为 {limit} 百万像素。",
    ),
    "mask_size": (
        "The mask must be as large as the picture, {wanted}, got {value}.",
        "蒙版尺寸必须与图片相同（{wanted}），现为 {value}。",
    ),
    "mask_needed": ("Paint a mask first: over what should change.", "请先绘制蒙版：涂抹需要改变的区域。"),
    "switched_off": ("{field} must be switched on first.", "请先启用{field}。"),
    # -- a start picture that comes to another size (`webui.jobs.sizes`)
    "start_scaled": ("The picture is scaled from {given} to {size}.", "图片由 {given} 缩放为 {size}。"),
    "start_crop": (
        "The picture is cropped from {given} to the shape of {size}: {percent} % of it is cut away.",
        "图片由 {given} 裁剪为 {size} 的比例：裁去 {percent} %。",
    ),
    "start_pad": (
        "The picture is scaled from {given} to fit {size}; its edges are drawn out over the rest, {percent} % of it.",
        "图片由 {given} 缩放至 {size} 之内；其余 {percent} % 由边缘延展填充。",
    ),
    "start_stretch": (
        "The picture is stretched from {given} to {size}: its shape changes by {percent} %.",
        "图片由 {given} 拉伸为 {size}：比例改变 {percent} %。",
    ),
    "outside": ("{count:,} pixels changed outside the mask.", "蒙版之外改变的像素：{count:,}。"),
    "outside_of_fitted": (
        "{how} Of what came of that, {count:,} pixels changed outside the mask.",
        "{how}在此之后，蒙版之外改变的像素：{count:,}。",
    ),
    "form_unreadable": (
        "What the form showed last cannot be read: an earlier state is shown, or its defaults.",
        "表单上次的内容无法读取：显示更早的状态或默认值。",
    ),
    "form_left_out": (
        "Not kept of the form, as no request takes it: {names}.",
        "表单中未保留（不可用的值）：{names}。",
    ),
    "form_field": ("{field}", "{field}"),
    "form_unknown": ("{field} is no field of this version.", "{field} 不是此版本的参数。"),
    "picture_from_elsewhere": (
        "Choose a picture on this page: {value} was not uploaded here and is no picture of the outputs folder.",
        "请在本页选择图片：{value} 既不是在此上传的，也不是输出文件夹中的图片。",
    ),
    "edit_whole_picture": (
        "{field} works on a whole picture to start from, in img2img.",
        "{field}只用于图生图中的整张起始图片。",
    ),
    "edit_sampler": (
        "{field} must be {wanted} for editing by words, got {value}.",
        "以文字编辑时{field}必须是 {wanted}，现为 {value}。",
    ),
    "refiner_beside_edit": ("{field} does not go with editing by words.", "{field}不能与以文字编辑同时使用。"),
    "picture_needed": ("Choose a picture to start from.", "请先选择图片。"),
    # -- JSON of ours (`webui.archive.record`)
    "missing": ("{field} must be given, got nothing.", "缺少{field}。"),
    "wrong_type": ("{field} must be {wanted}, got {value}.", "{field}必须是{wanted}，现为 {value}。"),
    "type_int": ("a whole number", "整数"),
    "type_float": ("a number", "数"),
    "type_str": ("text", "文字"),
    "type_bool": ("true or false", "true 或 false"),
    "type_dict": ("an object", "对象"),
    "type_day": ("a day as 2026-01-31", "2026-01-31 这样的日期"),
    "type_object": ("an object", "对象"),
    "number_too_large": ("{field} must be below 2^63, got {value}.", "{field}必须小于 2^63，现为 {value}。"),
    "not_json": ("{field} must be JSON, got {value}.", "{field}必须是 JSON，现为 {value}。"),
    "not_sha256": (
        "{field} must be 64 hexadecimal digits, got {value}.",
        "{field}必须是 64 位十六进制数，现为 {value}。",
    ),
    "not_a_moment": (
        "{field} must be a date and time as in ISO 8601, got {value}.",
        "{field}必须是 ISO 8601 格式的日期和时间，现为 {value}。",
    ),
    "record_too_long": (
        "{field} must have at most {limit:,} kB, got {value:,} characters.",
        "{field}最多 {limit:,} kB，现有 {value:,} 个字符。",
    ),
    "outpaint_nothing": (
        "Say how far the picture is to go on, at one side at least.",
        "请至少在一侧填写要扩展的像素数。",
    ),
    "outpaint_large": (
        "A side of the larger picture would be over {limit} pixels: {value}.",
        "扩展后的图片有一边超过 {limit} 像素：{value}。",
    ),
    "outpaint_sides": (
        "Give four numbers of pixels (left,top,right,bottom) or a shape such as 16:9, got {value}.",
        "请给出四个像素数（左,上,右,下）或 16:9 这样的比例，现为 {value}。",
    ),
    "outpaint_mask": (
        "--outpaint makes the mask itself: leave --mask out.",
        "--outpaint 会自行生成蒙版：请去掉 --mask。",
    ),
}
