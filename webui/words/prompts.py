"""What is told of a prompt: how it is read, and what it names. Code -> (English, 简体中文)."""

from __future__ import annotations

_TAG = "A tag holds a name, a weight, and te=, unet=, lbw=, start=, stop= or step=: <lora:name:0.8>"
_TAG_ZH = "标签可写名称、权重以及 te=、unet=、lbw=、start=、stop= 或 step=：<lora:名称:0.8>"

SENTENCES: dict[str, tuple[str, str]] = {
    "prompt_several": (
        "{field} must be one prompt; AND has no place in it.",
        "{field}只能是一个提示词，不能使用 AND。",
    ),
    "clip_skip_model": (
        "{field} must be at most {high} with this model, got {value}.",
        "{field}在此模型上最大为 {high}，现为 {value}。",
    ),
    "clip_skip_compel": (
        "{field} must be at most {high} in Compel's language, got {value}.",
        "使用 Compel 语法时{field}最大为 {high}，现为 {value}。",
    ),
    "compel_unreadable": (
        "{field} must be in Compel's language, which cannot read it: {reason}",
        "{field}无法按 Compel 语法解析：{reason}",
    ),
    "compel_swap": (
        "{field} must not use .swap(), which only works inside the model.",
        "{field}不能使用 .swap()，它只在模型内部有效。",
    ),
    "compel_lora": (
        "{field} must name LoRAs as <lora:name:1>, not by withLora.",
        "{field}中的 LoRA 请写成 <lora:名称:1>，不能用 withLora。",
    ),
    "tokenizer_unreadable": ("Its tokenizer cannot be read: {problem}.", "无法读取其分词器：{problem}。"),
    "tokenizer_damaged": ("Its tokenizer is damaged.", "其分词器已损坏。"),
    # -- files that a request names
    "model_unusable": ("{field}: {problem}", "{field}：{problem}"),
    "embedding_unusable": (
        "{field} must not name a textual inversion with {model}: {name}.",
        "{field}：{model} 不能使用文本反转词 {name}。",
    ),
    "lora_negative": (
        "{field} must not name a LoRA, which changes both prompts: {name}.",
        "{field}中不能写 LoRA（{name}），它对两个提示词都起作用。",
    ),
    "lora_second": (
        "{field} must not name a LoRA: those of the first prompt count for both passes; got {name}.",
        "{field}中不能写 LoRA（{name}）：第一遍提示词中的 LoRA 对两遍都起作用。",
    ),
    "lora_blocks": (
        "{field}: {name} lists {value} blocks; a model of this family has lists of {choices}.",
        "{field}：{name} 列出了 {value} 个分层；此系列模型的列表有 {choices} 个数。",
    ),
    "lora_missing": (
        "{field}: there is no LoRA called {name} in the models folder. {hint}",
        "{field}：模型文件夹中没有名为 {name} 的 LoRA。{hint}",
    ),
    "lora_kind": (
        "{field}: {name} is a LyCORIS of the kind {variant}, which cannot be loaded.",
        "{field}：{name} 是 {variant} 类型的 LyCORIS，无法加载。",
    ),
    "vae_missing": (
        "{field} must be {automatic} or a VAE in the models folder, got {name}. {hint}",
        "{field}必须是 {automatic} 或模型文件夹中的 VAE，现为 {name}。{hint}",
    ),
    "vae_family": (
        "{field} must be made for {family}: {name} is for {theirs}.",
        "{field}须适用于{family}：{name} 适用于 {theirs}。",
    ),
    "file_family": (
        "{field}: {name} does not fit the model, which is {family}: it is {kind} for {theirs}.",
        "{field}：{name} 与模型（{family}）不符，它是用于 {theirs} 的{kind}。",
    ),
    "file_which": (
        "{field}: several files are called {name}; say which one is meant: {names}.",
        "{field}：有多个文件名为 {name}，请写明是哪一个：{names}。",
    ),
    "file_is": ("{name} is {kind}.", "{name} 是{kind}。"),
    "file_broken": ("{name}: {problem}", "{name}：{problem}"),
    "names_near": ("Nearest: {names}.", "最接近的有：{names}。"),
    "names_none_near": ("Nothing there has a name like it.", "也没有名称相近的文件。"),
    "second_download": ("{name} (a second download of {first})", "{name}（{first} 的重复下载）"),
    "family_builtin": ("the built-in model", "内置模型"),
    "family_tokens": ("the built-in model of masked tokens", "内置的掩码词元模型"),
    "noun_checkpoint": ("a whole model", "完整模型"),
    "noun_lora": ("a LoRA", "LoRA"),
    "noun_lycoris": ("a LyCORIS adapter", "LyCORIS"),
    "noun_vae": ("a VAE", "VAE"),
    "noun_tiny-vae": ("a tiny VAE for previews", "预览用的微型 VAE"),
    "noun_embedding": ("a textual inversion", "文本反转词"),
    "noun_controlnet": ("a ControlNet", "ControlNet"),
    "noun_t2i-adapter": ("a T2I adapter", "T2I 适配器"),
    "noun_ip-adapter": ("an IP adapter", "IP 适配器"),
    "noun_motion-module": ("a motion module", "运动模块"),
    "noun_upscaler": ("an upscaler", "放大模型"),
    "noun_text-encoder": ("a text encoder", "文本编码器"),
    "noun_image-encoder": ("an image encoder", "图像编码器"),
    "noun_unet": ("a UNet alone, without text encoder and VAE", "单独的 UNet，缺少文本编码器和 VAE"),
    "noun_transformer": (
        "a transformer alone, without text encoders and VAE",
        "单独的 Transformer，缺少文本编码器和 VAE",
    ),
    "noun_quantized": ("a model quantized by bitsandbytes", "bitsandbytes 量化的模型"),
    # -- choices
    "wildcard_missing": (
        "{field}: there is no list called {name}. {hint} For the letters themselves write \\__{name}__.",
        "{field}：没有名为 {name} 的列表。{hint}若只想写这些字符，请写成 \\__{name}__。",
    ),
    "wildcard_missing_within": (
        "{field}: the list {within} asks for a list called {name}, which is not there. {hint}",
        "{field}：列表 {within} 引用了不存在的列表 {name}。{hint}",
    ),
    "wildcard_nearest": ("Nearest: {names}.", "最接近的有：{names}。"),
    "wildcard_none_near": ("No list has a name like it.", "也没有名称相近的列表。"),
    "wildcard_empty": ("{field}: the list {name} is empty.", "{field}：列表 {name} 是空的。"),
    "wildcard_circle": (
        "{field}: the list {name} comes round to itself, so it never ends.",
        "{field}：列表 {name} 引用了自身，无法结束。",
    ),
    "wildcard_assembled": (
        "{field}: __{name}__ only came to be when the choices were made; it is not drawn. Write the name plainly.",
        "{field}：__{name}__ 由随机选项拼成，不会再被抽取，请直接写出列表名称。",
    ),
    "choices_images": (
        "A prompt with choices makes at most {high} pictures with its batches, got {value:,}.",
        "提示词含随机选项时，连同批次最多 {high} 张，现为 {value:,} 张。",
    ),
    "choices_long": (
        "{field} must have at most {high:,} characters when its choices are made, got {value:,}.",
        "{field}在随机选项确定后最多 {high:,} 个字符，现有 {value:,} 个。",
    ),
    "choices_deep": (
        "{field} must not have choices more than {high} deep within each other.",
        "{field}中的随机选项最多嵌套 {high} 层。",
    ),
    "choices_many": ("{field} must make at most {high:,} choices.", "{field}最多 {high:,} 个随机选项。"),
    "choice_unclosed": ("A brace is not closed, so nothing is drawn: {text}", "花括号没有闭合，不会抽取：{text}"),
    "bracket_unclosed": (
        "A bracket is not closed, so it counts to the end: {text}",
        "括号没有闭合，其权重一直作用到末尾：{text}",
    ),
    "bracket_unopened": (
        "A bracket is closed that was never opened, so it is read as a letter: {text}",
        "括号未曾打开就闭合，将按普通字符读取：{text}",
    ),
    # -- tags
    "tag_hypernet": (
        "{field}: {tag} names a hypernetwork, which cannot be used here; LoRA and LyCORIS files can.",
        "{field}：{tag} 是超网络，此处无法使用；可以使用 LoRA 与 LyCORIS 文件。",
    ),
    "tag_unclosed": (
        "{field}: the tag {tag} is not closed. Write it as <lora:name:0.8>.",
        "{field}：标签 {tag} 没有闭合，请写成 <lora:名称:0.8>。",
    ),
    "tag_without_name": (
        "{field}: the tag {tag} names no file. Write it as <lora:name:0.8>.",
        "{field}：标签 {tag} 没有写明文件，请写成 <lora:名称:0.8>。",
    ),
    "tag_parameter": (
        "{field}: {name} in the tag {tag} is not known here. " + _TAG + ".",
        "{field}：标签 {tag} 中的 {name} 此处不支持。" + _TAG_ZH + "。",
    ),
    "tag_number": (
        "{field}: the weight in {tag} must be a number, got {value}. Write it as <lora:name:0.8>.",
        "{field}：{tag} 的权重必须是数，现为 {value}，请写成 <lora:名称:0.8>。",
    ),
    "tag_comma": (
        "{field}: the weight in {tag} must be a number with a point, got {value}. Write {right}.",
        "{field}：{tag} 的权重须用小数点，现为 {value}，请写成 {right}。",
    ),
    "tag_blocks": (
        "{field}: {value} in {tag} is no list of blocks. Write 12, 17, 20 or 26 numbers or a name: lbw=OUTALL.",
        "{field}：{tag} 中的 {value} 不是分层列表，请写 12、17、20 或 26 个数，或一个名称：lbw=OUTALL。",
    ),
    "tag_points": (
        "{field}: {value} in {tag} is no weight over the steps. Write weight@when: 0@0,1@0.5.",
        "{field}：{tag} 中的 {value} 不是随步数变化的权重，请写成 权重@时刻：0@0,1@0.5。",
    ),
    "tag_steps": (
        "{field}: {value} in {tag} says no steps. Write start=5, stop=0.4 or step=5-10.",
        "{field}：{tag} 中的 {value} 不是步数，请写 start=5、stop=0.4 或 step=5-10。",
    ),
    "tag_assembled": (
        "{field}: brackets or a backslash hide a tag, {tag}. Write it plainly, as <lora:name:0.8>.",
        "{field}：括号或反斜杠中藏有标签 {tag}，请直接写成 <lora:名称:0.8>。",
    ),
}
