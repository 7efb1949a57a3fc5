"""What is wrong with a file of the prompt library, or with a preset: code -> (English, 简体中文). `{at}`: file:line."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    "library_place": ("{at}: {problem}", "{at}：{problem}"),
    "library_twice": ("{at}: {name!r} is already in {other}", "{at}：{name} 已在 {other} 中"),
    "library_shipped": ("the shipped ones", "自带的预设"),
    "library_presets": ("{at}: must be a list of presets", "{at}：必须是预设的列表"),
    "library_preset": (
        "{at}: must be a mapping with name and settings, got {value}",
        "{at}：必须是含名称与参数的映射，现为 {value}",
    ),
    "library_text": ("{at}: {key} must be text, got {value}", "{at}：{key} 必须是文本，现为 {value}"),
    "library_quotes": (
        "{at}: {key} must be text, got {value} (put it in quotes)",
        "{at}：{key} 必须是文本，现为 {value}（请加引号）",
    ),
    "library_texts": ("{at}: {key} must be a list of texts, got {value}", "{at}：{key} 必须是文本列表，现为 {value}"),
    "library_flag": (
        "{at}: {key} must be true or false, got {value}",
        "{at}：{key} 必须是 true 或 false，现为 {value}",
    ),
    "library_setting": ("{at}: {key} is no setting; those are {known}", "{at}：{key} 不是参数；可用的有：{known}"),
    "library_unknown": ("{at}: {key} is unknown; known are {known}", "{at}：未知的 {key}；可用的有：{known}"),
    "library_about": (
        "{at}: about and about_zh must be given both or neither",
        "{at}：about 与 about_zh 必须同时填写或同时省略",
    ),
    "library_mapping": (
        "{at}: must be a mapping with {keys}, got {value}",
        "{at}：必须是含 {keys} 的映射，现为 {value}",
    ),
    "library_group": (
        "{at}: group must be one of {known}, got {value}",
        "{at}：group 必须是 {known} 之一，现为 {value}",
    ),
    "library_order": ("{at}: order must be a whole number, got {value}", "{at}：order 必须是整数，现为 {value}"),
    "library_words": ("{at}: words must be a list with at least one word", "{at}：words 必须是至少含一个词的列表"),
    "library_large": ("{at}: must have at most {high:,} kB", "{at}：最大 {high:,} kB"),
    "library_yaml": ("{at}: is not YAML: {problem}", "{at}：不是 YAML：{problem}"),
    "library_unread": (
        "{at}: cannot be read as {form} in UTF-8 ({problem})",
        "{at}：无法按 UTF-8 {form} 读取（{problem}）",
    ),
    "library_scalar": (
        "{at}: {value} cannot be read as the number or date that it looks like; a text of that kind stands in quotes",
        "{at}：{value} 看似数字或日期，但无法读取；若为文本请加引号",
    ),
    "library_aliases": ("{at}: must not use aliases", "{at}：不能使用别名"),
    "library_deep": ("{at}: must not nest deeper than {high}", "{at}：嵌套不能超过 {high} 层"),
    "library_key_twice": ("{at}: {key} is given twice", "{at}：{key} 重复"),
    "library_list_twice": ("{at}: the list {key} is there already", "{at}：列表 {key} 已存在"),
    "library_lists": (
        "{at}: {key} must be a list of texts or a mapping of lists",
        "{at}：{key} 必须是文本列表或列表的映射",
    ),
    "library_header": (
        "{at}: must begin with the header {header}, got {value}",
        "{at}：首行必须是 {header}，现为 {value}",
    ),
    "library_json": ("{at}: is not JSON", "{at}：不是 JSON"),
    "library_styles": ("{at}: must be a list of styles, got {value}", "{at}：必须是风格的列表，现为 {value}"),
    "library_utf8": (
        "{at}: must be UTF-8 ({problem} at byte {byte})",
        "{at}：必须是 UTF-8（第 {byte} 字节：{problem}）",
    ),
    "library_style": (
        "{at}: style {place} must be a mapping with name and prompt, got {value}",
        "{at}：第 {place} 个风格必须是含名称与提示词的映射，现为 {value}",
    ),
    "library_style_text": (
        "{at}: style {place}: {key} must be text, got {value}",
        "{at}：第 {place} 个风格的 {key} 必须是文本，现为 {value}",
    ),
    "library_style_name": ("{at}: style {place}: name must be text, got none", "{at}：第 {place} 个风格没有名称"),
    "style_slot": (
        "{field} must hold {slot} to be a style, got {value}",
        "{field}须含有 {slot} 才能成为风格，现为 {value}",
    ),
    "preset_unknown": ("There is no preset of yours called {value}.", "没有名为 {value} 的预设。"),
    "preset_taken": ("A preset called {value} is there already.", "已有名为 {value} 的预设。"),
    "preset_nameless": ("Give the preset a name.", "请为预设填写名称。"),
    "preset_name_long": (
        "A preset's name must have at most {high} characters, got {value}.",
        "预设名称最多 {high} 个字符，现有 {value} 个。",
    ),
    "preset_name_control": ("A preset's name must not hold control characters.", "预设名称不能含控制字符。"),
    "preset_shipped": (
        "{value} is the name of a shipped preset; choose another.",
        "{value} 是自带预设的名称，请换一个。",
    ),
    "preset_unfit": ("The preset cannot be kept{problem}", "无法保存该预设{problem}"),
    "import_nothing": ("Choose a file to import.", "请选择要导入的文件。"),
    "folder_unreadable": (
        "The folder cannot be read ({problem}): {folder}.",
        "无法读取文件夹（{problem}）：{folder}。",
    ),
    "folder_unwritable": (
        "The folder cannot be written ({problem}): {folder}.",
        "无法写入文件夹（{problem}）：{folder}。",
    ),
    "file_unreadable": ("{name} cannot be read ({problem}).", "无法读取 {name}（{problem}）。"),
}
