"""What the Models tab says, and why a file or a wish cannot be used: key or code -> (English, 简体中文)."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "tab_models": ("Models", "模型"),
    "models_hint": (
        "Everything in the models folders, told by its content and not by its name. New files appear with Refresh.",
        "models 文件夹中的所有文件，按内容而不是按文件名识别。新文件点“刷新”即可出现。",
    ),
    "models_choose": ("Choose a file to see what it is made of.", "选择一个文件查看其组成。"),
    "models_monthly": (
        "Read each file again once a month, while nothing runs: a failing disk changes bytes, and nothing else tells",
        "每月空闲时重新读取每个文件：磁盘故障会改变内容，而别处看不出来",
    ),
    "models_gone": ("The file is no longer there.", "文件已不存在。"),
    "models_use": ("Use on txt2img", "在文生图中使用"),
    "models_settle": ("Settled for this model", "为此模型设定"),
    "models_settle_hint": (
        "A form takes these when the model is chosen, in every field that you have not changed. Empty: the program's"
        " own.",
        "选择此模型时，表单中未改动过的项目会采用这些值。留空则使用程序默认值。",
    ),
    "models_save": ("Keep", "保存"),
    "models_forget": ("Forget", "清除"),
    "models_kept": ("Kept.", "已保存。"),
    "models_forgotten": ("Forgotten.", "已清除。"),
    "models_program": ("The program's", "程序默认"),
    "models_as_file": ("As the file says", "以文件为准"),
    "prediction_type": ("The model predicts", "模型预测"),
    "prediction_type_epsilon": ("Noise (epsilon)", "噪声（epsilon）"),
    "prediction_type_v_prediction": ("Velocity (v-prediction)", "速度（v-prediction）"),
    "prediction_type_flow": ("Flow", "流（flow）"),
    "prediction_type_unsaid": ("The file does not say; told when it is loaded", "文件未注明，加载时判断"),
    "zero_terminal_snr": ("Zero terminal SNR", "零终端信噪比"),
    # -- anatomy
    "model_kind": ("Kind", "类型"),
    "model_family": ("Family", "系列"),
    "model_size": ("File size", "文件大小"),
    "model_layout": ("Form", "格式"),
    "model_path": ("Place", "位置"),
    "model_hash": ("SHA-256", "SHA-256 值"),
    "model_hashing": ("being computed …", "计算中……"),
    "model_used": ("Last used", "上次使用"),
    "model_never": ("never", "从未"),
    "model_native": ("Made for", "适用尺寸"),
    "model_dtype": ("Numbers", "数值格式"),
    "model_memory": ("Memory", "显存"),
    "model_memory_need": (
        "about {gigabytes} GB on a card at {side} × {side}",
        "{side} × {side} 时显存约 {gigabytes} GB",
    ),
    "model_problem": ("Of no use because", "不可用原因"),
    "model_part": ("Part", "组成"),
    "model_parameters": ("Parameters", "参数量"),
    "model_bytes": ("Size", "大小"),
    "layout_single": ("one file", "单文件"),
    "layout_folder": ("diffusers folder", "diffusers 文件夹"),
    "layout_pickle": ("old pickle, made safe when it is first used", "旧式 pickle，首次使用时安全转换"),
    "part_text_encoder": ("Text encoder", "文本编码器"),
    "part_text_encoder_2": ("Text encoder 2", "文本编码器 2"),
    "part_text_encoder_3": ("Text encoder 3", "文本编码器 3"),
    "part_image_encoder": ("Image encoder", "图像编码器"),
    "part_ema": ("Averaged copy (not loaded)", "EMA 副本（不加载）"),
    "part_other": ("Other tables", "其他数据"),
    "part_total": ("Together", "合计"),
    # -- kinds
    "kind_checkpoint": ("Model", "模型"),
    "kind_tiny-vae": ("Tiny VAE", "微型 VAE"),
    "kind_embedding": ("Textual inversion", "文本反演"),
    "kind_t2i-adapter": ("T2I adapter", "T2I 适配器"),
    "kind_ip-adapter": ("IP adapter", "IP 适配器"),
    "kind_motion-module": ("Motion module", "运动模块"),
    "kind_upscaler": ("Upscaler", "放大模型"),
    "kind_text-encoder": ("Text encoder", "文本编码器"),
    "kind_image-encoder": ("Image encoder", "图像编码器"),
    "kind_unet": ("UNet alone", "仅 UNet"),
    "kind_transformer": ("Transformer alone", "仅 Transformer"),
    "kind_quantized": ("Quantized", "量化模型"),
    "kind_pickle": ("Old pickle", "旧式 pickle"),
    "kind_unknown": ("Unreadable", "无法读取"),
    "family_builtin": ("Built-in", "内置"),
    "family_builtin-tokens": ("Built-in, by masked tokens", "内置，掩码词元"),
}

# The same in every language.
NAMES: dict[str, str] = {
    "prediction_type_edm": "EDM",
    "part_unet": "UNet",
    "part_transformer": "Transformer",
    "part_vae": "VAE",
    "part_vqvae": "VQ-VAE",
    "kind_lora": "LoRA",
    "kind_lycoris": "LyCORIS",
    "kind_vae": "VAE",
    "kind_controlnet": "ControlNet",
}

# What the list's script says.
LIST_WORDS: dict[str, tuple[str, str]] = {
    "search": ("Find by name", "按名称查找"),
    "all": ("All", "全部"),
    "refresh": ("Refresh", "刷新"),
    "none": ("Nothing here yet: put models into the models folder.", "这里还没有文件：请把模型放入 models 文件夹。"),
    "nothing": ("Nothing of that name.", "没有匹配的文件。"),
    "count": ("{n} files", "{n} 个文件"),
    "hashing": ("hash …", "哈希……"),
    "used": ("used {n}", "使用于 {n}"),
    "list": ("Files in the models folders", "models 文件夹中的文件"),
}

SENTENCES: dict[str, tuple[str, str]] = {
    # -- parts
    "the_text_encoder": ("text encoder", "文本编码器"),
    "the_vae": ("VAE", "VAE"),
    # -- why it cannot be the model of a picture
    "no_checkpoint": ("It is {what}, not a checkpoint.", "这是{what}，不是完整模型。"),
    "no_checkpoint_for": (
        "It is {what} for {families}, not a checkpoint.",
        "这是用于 {families} 的{what}，不是完整模型。",
    ),
    "not_run_yet": ("It is {what} of {family}, which cannot be run yet.", "这是 {family} 的{what}，暂时无法运行。"),
    "variant_not_run": (
        "It is a {variant} model of {family}, which cannot be run yet.",
        "这是 {family} 的 {variant} 模型，暂时无法运行。",
    ),
    "folder_only": (
        "{family} works as a diffusers folder: one file holds no tokenizer of its T5 text encoder.",
        "{family} 需要 diffusers 文件夹：单个文件不含其 T5 文本编码器的分词器。",
    ),
    "unclip_folder": (
        "{family} works as a diffusers folder, which holds how its image encoder is set up.",
        "{family} 需要 diffusers 文件夹，其中含有图像编码器的设置。",
    ),
    "parts_missing": ("The checkpoint lacks: {parts}.", "模型缺少：{parts}。"),
    "no_known_model": ("It is no known model: {reason}.", "不是已知的模型：{reason}。"),
    "no_tensors": ("it holds no tensors", "其中没有张量"),
    "no_known_tensor": ("no known model has a tensor named {name}", "没有已知模型含有名为 {name} 的张量"),
    "no_known_width": (
        "its UNet takes text of width {width}, which no known family does",
        "其 UNet 的文本宽度为 {width}，不属于任何已知系列",
    ),
    "model_missing": (
        "There is no model called {name} in the models folder.",
        "models 文件夹中没有名为 {name} 的模型。",
    ),
    "image_encoder_missing": (
        "There is no image encoder called {name} in the models folder.",
        "models 文件夹中没有名为 {name} 的图像编码器。",
    ),
    "inside": ("{name}: {reason}", "{name}：{reason}"),
    "file_gone": ("The file is gone: {path}.", "文件已不在：{path}。"),
    "builtin_damaged": (
        "The built-in model is damaged: {part}/config.json cannot be read ({reason}).",
        "内置模型已损坏：无法读取 {part}/config.json（{reason}）。",
    ),
    "no_room_in_memory": (
        "Its weights take {needed} GB, and {free} GB of main memory are free.",
        "其权重需要 {needed} GB，而内存只剩 {free} GB。",
    ),
    # -- what is wrong with a file
    "no_file": ("It is no file.", "这不是文件。"),
    "file_empty": ("The file is empty.", "文件为空。"),
    "model_unreadable": ("It cannot be read.", "无法读取。"),
    "file_unreadable_because": ("It cannot be read: {reason}.", "无法读取：{reason}。"),
    "models_unreadable": ("The folder cannot be read: {reason}.", "无法读取文件夹：{reason}。"),
    "dead_link": ("It is a link to {target}, which is not there.", "这是指向 {target} 的链接，目标不存在。"),
    "file_lfs_pointer": (
        "It is a Git LFS pointer, not the model: download the real file.",
        "这是 Git LFS 指针而不是模型：请下载真正的文件。",
    ),
    "file_web_page": (
        "It is a web page saved under a model's name: the download failed.",
        "这是以模型名保存的网页：下载失败。",
    ),
    "file_gguf": ("It is a GGUF file, which Seedprint does not read.", "这是 GGUF 文件，Seedprint 无法读取。"),
    "file_json": ("It is a JSON text, not a model.", "这是 JSON 文本，不是模型。"),
    "file_foreign": ("It is neither safetensors nor a torch checkpoint.", "既不是 safetensors，也不是 torch 检查点。"),
    "file_pickle": ("It is a pickle, not safetensors.", "这是 pickle，不是 safetensors。"),
    "pickle_misnamed": (
        "It is a pickle under a .safetensors name: rename it to .ckpt if it should be converted.",
        "这是改名为 .safetensors 的 pickle：需要转换请改名为 .ckpt。",
    ),
    "no_pickle": ("It is no pickle and needs no conversion.", "这不是 pickle，无需转换。"),
    "refused_before": ("It was refused when it was to be converted.", "转换时已被拒绝。"),
    "pickle_unopened": (
        "It is an old pickle: what is in it is known once it was used.",
        "旧式 pickle：首次使用后才知道其内容。",
    ),
    "file_short": ("It is cut short: the file has only {size}.", "文件不完整：只有 {size}。"),
    "header_short": (
        "It is cut short: only {size} are here, inside the header already.",
        "文件不完整：只有 {size}，连文件头都不全。",
    ),
    "file_cut": ("It is cut short: {size} of {whole} are here.", "文件不完整：{whole} 中只有 {size}。"),
    "file_too_long": (
        "It is damaged: {size} too many follow its last tensor.",
        "文件损坏：末尾多出 {size}。",
    ),
    "header_no_json": ("Its header is damaged: it is no JSON.", "文件头损坏：不是 JSON。"),
    "header_no_table": ("Its header is damaged: it lists no tensors.", "文件头损坏：没有列出张量。"),
    "header_notes": ("Its header is damaged: its notes are no table.", "文件头损坏：说明不是表。"),
    "header_entry": ("Its header is damaged: an entry is no tensor.", "文件头损坏：有一项不是张量。"),
    "header_shape": (
        "Its header is damaged: a tensor has an impossible shape.",
        "文件头损坏：有张量的形状不可能存在。",
    ),
    "header_format": (
        "Its header is damaged: {name} has the number format {value}.",
        "文件头损坏：{name} 的数值格式为 {value}。",
    ),
    "header_place": (
        "Its header is damaged: the place of {name} does not fit its shape.",
        "文件头损坏：{name} 的位置与形状不符。",
    ),
    # -- what is wrong with a folder
    "pipeline_unknown": (
        "Its model_index.json names the pipeline {name}, which is not known.",
        "model_index.json 中的管线 {name} 未知。",
    ),
    "weights_file_missing": ("The {part}'s weights file is missing.", "缺少 {part} 的权重文件。"),
    "part_missing": ("Its {name} is missing.", "缺少 {name}。"),
    "part_unreadable": ("Its {name} cannot be read: {reason}.", "无法读取其 {name}：{reason}。"),
    "part_no_json": ("Its {name} is damaged: it is no JSON.", "{name} 已损坏：不是 JSON。"),
    "part_no_table": ("Its {name} is damaged: it holds no table.", "{name} 已损坏：内容不是表。"),
    "part_not_named": ("Its model_index.json names no {part}.", "model_index.json 中没有 {part}。"),
    "scheduler_unknown": (
        "Its scheduler is {name}; only {wanted} is known for such a model.",
        "其调度器是 {name}，此类模型只支持 {wanted}。",
    ),
    "scheduler_noisy": (
        "Its scheduler draws noise while it samples, which is not supported.",
        "其调度器在采样时加入噪声，不支持。",
    ),
    "vision_type": (
        "Its {name} says model_type {value}, which is not supported: it must be one of {choices}.",
        "{name} 的 model_type 为 {value}，暂不支持：须为 {choices} 之一。",
    ),
    "vision_other_weights": (
        "Its {name} belongs to other weights: it says width {width} and patches of {patch} pixels.",
        "{name} 与权重不符：其中宽度为 {width}，图块为 {patch} 像素。",
    ),
    # -- what a model cannot be told
    "only_with": (
        "{field} must be {wanted} with {model}, got {value}.",
        "使用 {model} 时{field}必须是 {wanted}，现为 {value}。",
    ),
    "sampler_of_tokens": (
        "{field} {value} is for models that draw by masked tokens: choose another one with this model.",
        "{field} {value} 只适用于以掩码词元作画的模型：请为此模型另选一种。",
    ),
    "classifier_builtin": (
        "{field} must be 0 with {model}, got {value}: only the built-in model has a classifier for noisy latents.",
        "使用 {model} 时{field}必须为 0，现为 {value}：只有内置模型带有针对含噪潜变量的分类器。",
    ),
    "not_with": ("{field} must be left out with {model}, got {value}.", "{model} 不支持{field}，现为 {value}。"),
    "not_kept": (
        "{model} is run in one piece and cannot be ended before its last step; it goes on.",
        "{model} 以整体方式运行，无法提前结束；将继续运行。",
    ),
    "multiple_with": (
        "{field} must be a multiple of {step} with {model}, got {value}.",
        "使用 {model} 时{field}必须是 {step} 的倍数，现为 {value}。",
    ),
    "no_guidance": (
        "{model} has no guidance: {field} must be at most {high}, got {value}.",
        "{model} 没有引导：{field}最大为 {high}，现为 {value}。",
    ),
    "choice_with": (
        "{field} must be one of {choices} with {model}, got {value}.",
        "使用 {model} 时{field}必须是以下之一：{choices}，现为 {value}。",
    ),
    "no_lora_with": (
        "{model} takes no LoRA here: take {name} out of {field}.",
        "{model} 在这里不能使用 LoRA：请从{field}中去掉 {name}。",
    ),
    "plain_text_with": (
        "{model} reads plain text: {field} must hold no weights, AND, BREAK or changes over the steps, got {value}.",
        "{model} 只接受纯文本：{field}不能含权重、AND、BREAK 或分步变化，现为 {value}。",
    ),
    "empty_with": (
        "{field} must be empty with {model}, got {value}.",
        "使用 {model} 时{field}必须为空，现为 {value}。",
    ),
    "no_attention_with": (
        "{model} does not tell where words look: {field} must be off.",
        "{model} 无法显示词语的注意力：请关闭{field}。",
    ),
    "no_anatomy_with": (
        "{model} works in one piece: its blocks cannot be looked at.",
        "{model} 整体运行，无法查看它的各个模块。",
    ),
    "no_latents_with": (
        "{model} works in one piece: its latents cannot be looked at.",
        "{model} 整体运行，无法查看它的潜空间。",
    ),
    "no_film_with": (
        "{model} works in one piece and shows none of its steps.",
        "{model} 整体运行，无法显示它的各个步骤。",
    ),
    "too_many_tokens": (
        "{model} reads at most {high} tokens: {field} has {value}.",
        "{model} 最多读取 {high} 个词元，{field}现有 {value} 个。",
    ),
}
