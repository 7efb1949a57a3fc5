"""What the Models tab says: key -> (English, 简体中文)."""

from __future__ import annotations

import re
from typing import Literal

WORDS: dict[str, tuple[str, str]] = {
    "tab_models": ("Models", "模型"),
    "models_hint": (
        "Everything in the models folders, told by its content and not by its name. New files appear with Refresh.",
        "models 文件夹中的所有文件，按内容而不是按文件名识别。新文件点“刷新”即可出现。",
    ),
    "models_choose": ("Choose a file to see what it is made of.", "选择一个文件查看其组成。"),
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
}

# The same in every language.
NAMES: dict[str, str] = {
    "prediction_type_edm": "EDM",
    "part_unet": "UNet",
    "part_transformer": "Transformer",
    "part_vae": "VAE",
    "kind_lora": "LoRA",
    "kind_lycoris": "LyCORIS",
    "kind_vae": "VAE",
    "kind_controlnet": "ControlNet",
    "family_sd1": "SD 1.x",
    "family_sd2": "SD 2.x",
    "family_sdxl": "SDXL",
    "family_sdxl-refiner": "SDXL refiner",
    "family_sd3": "SD 3",
    "family_sd3.5-medium": "SD 3.5 medium",
    "family_sd3.5-large": "SD 3.5 large",
    "family_flux": "Flux",
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

# What a model that diffusers' own pipeline runs cannot be told.
WHOLE_RULES: tuple[tuple[str, str], ...] = (
    (r"must be a multiple of (.+) with (.+), got (.+)", r"使用 \2 时必须是 \1 的倍数，现为 \3"),
    (r"must be at most (.+) with (.+), which has none, got (.+)", r"\2 没有引导，最大为 \1，现为 \3"),
    (r"must be original or fill with (.+), got (.+)", r"使用 \1 时必须是 original 或 fill，现为 \2"),
    (r"must be left out with (.+), got (.+)", r"\1 不支持此项，现为 \2"),
    (r"must be off with (.+), which does not tell where words look, got on", r"\1 无法显示词语的注意力"),
    (r"must be empty with (.+), got (.+)", r"使用 \1 时必须为空，现为 \2"),
    (r"must be (\S+) with ((?:SD 3|Flux).*), got (.+)", r"使用 \2 时必须是 \1，现为 \3"),
    (r"must not name a LoRA with (.+), got (.+)", r"\1 在这里不能使用 LoRA：\2"),
    (r"must not name a textual inversion with (.+), got (.+)", r"\1 在这里不能使用 Textual Inversion：\2"),
    (
        r"must be plain text with (.+), without weights, .+, got (.+)",
        r"\1 只接受纯文本（无权重、AND、BREAK 或分步变化），现为 \2",
    ),
    (r"must have at most (.+) tokens with (.+), got (.+)", r"\2 最多读取 \1 个词元，现有 \3 个"),
)

# The engine's reasons, in the order they are tried.
_REASONS: tuple[tuple[str, str], ...] = (
    (r"The file is empty\.", "文件为空。"),
    (r"It is cut short: only (.+) are here, inside the header already\.", r"文件不完整：只有 \1，连文件头都不全。"),
    (r"It is cut short: the file has only (.+) bytes\.", r"文件不完整：只有 \1 字节。"),
    (r"It is cut short: (.+) of (.+) are here\.", r"文件不完整：\2 中只有 \1。"),
    (r"It is damaged: (.+) too many follow its last tensor\.", r"文件损坏：末尾多出 \1。"),
    (r"Its header is damaged: (.+)", r"文件头损坏：\1"),
    (r"It is a Git LFS pointer.*", "这是 Git LFS 指针而不是模型：请下载真正的文件。"),
    (r"It is a web page saved under a model's name.*", "这是以模型名保存的网页：下载失败。"),
    (r"It is a GGUF file.*", "这是 GGUF 文件，Seedprint 无法读取。"),
    (r"It is a JSON text, not a model\.", "这是 JSON 文本，不是模型。"),
    (r"It is neither safetensors nor a torch checkpoint\.", "既不是 safetensors，也不是 torch 检查点。"),
    (r"It is a pickle under a \.safetensors name.*", "这是改名为 .safetensors 的 pickle：需要转换请改名为 .ckpt。"),
    (r"It cannot be read: (.+)", r"无法读取：\1"),
    (r"It is no known model: (.+)", r"不是已知的模型：\1"),
    (r"It is not a checkpoint\.", "不是完整模型。"),
    (r"It is (?:a|an) LoRA for (.+), not a checkpoint\.", r"这是 \1 的 LoRA，不是完整模型。"),
    (r"It is a LyCORIS adapter(?: for (.+))?, not a checkpoint\.", r"这是 LyCORIS（\1），不是完整模型。"),
    (
        r"It is a transformer alone, (?:.+)VAE(?: for (.+))?, not a checkpoint\.",
        r"只有 Transformer（\1），不是完整模型。",
    ),
    (r"It is a UNet alone, (?:.+)VAE(?: for (.+))?, not a checkpoint\.", r"只有 UNet（\1），不是完整模型。"),
    (r"It is a motion module, not a checkpoint\.", "这是运动模块，不是完整模型。"),
    (r"It is an upscaler, not a checkpoint\.", "这是放大模型，不是完整模型。"),
    (r"It is a text encoder, not a checkpoint\.", "这是文本编码器，不是完整模型。"),
    (r"It is a tiny VAE for previews, not a checkpoint\.", "这是预览用的微型 VAE，不是完整模型。"),
    (r"It is a model quantized by bitsandbytes, not a checkpoint\.", "这是 bitsandbytes 量化的模型，无法使用。"),
    (r"It is (?:a|an) (.+) for (.+), not a checkpoint\.", r"这是用于 \2 的 \1，不是完整模型。"),
    (r"It is (?:a|an) (.+), not a checkpoint\.", r"这是 \1，不是完整模型。"),
    (r"It is a model of the family (.+), which is not supported yet\.", r"这是 \1 系列的模型，暂不支持。"),
    (r"It is a (.+) model, which is not supported yet\.", r"这是 \1 模型，暂不支持。"),
    (r"The checkpoint holds no text encoder and no VAE\.", "模型缺少文本编码器和 VAE。"),
    (r"The checkpoint holds no text encoder\.", "模型缺少文本编码器。"),
    (r"The checkpoint holds no VAE\.", "模型缺少 VAE。"),
    (r"It is an old pickle: what is in it is known once it was used\.", "旧式 pickle：首次使用后才知道其内容。"),
    (r"Its (.+) is missing\.", r"缺少 \1。"),
    (r"Its (.+) is damaged: it is no JSON\.", r"\1 已损坏：不是 JSON。"),
    (r"Its (.+) is damaged: (?:it holds|vision_config is) no table\.", r"\1 已损坏：内容不是表。"),
    (
        r"Its config\.json says model_type (.+), which is not supported: it must be (.+) or (.+)\.",
        r"config.json 的 model_type 为 \1，暂不支持：须为 \2 或 \3。",
    ),
    (
        r"Its config\.json belongs to other weights: it says width (.+) and patches of (.+) pixels\.",
        r"config.json 与权重不符：其中宽度为 \1，图块为 \2 像素。",
    ),
    (r"The (\S+)'s weights file is missing\.", r"缺少 \1 的权重文件。"),
    (r"Its model_index\.json names no (.+)\.", r"model_index.json 中没有 \1。"),
    (r"Its scheduler is (.+); only (.+) is known for such a model\.", r"其调度器是 \1，此类模型只支持 \2。"),
    (r"Its scheduler draws noise while it samples, which is not supported\.", "其调度器在采样时加入噪声，不支持。"),
    (
        r"(.+) works as a diffusers folder: one file holds no tokenizer of its T5 text encoder\.",
        r"\1 需要 diffusers 文件夹：单个文件不含其 T5 文本编码器的分词器。",
    ),
    # what became of the files of a picture (`webui.proof.resources`)
    (r"The (\S+|textual inversion) (.+) is now called (.+); it is the same file\.", r"\2 现名 \3，是同一个文件。"),
    (
        r"Another file bears the name of the (\S+|textual inversion) (.+);"
        r" the one that made this \((.+)\) is not there\.",
        r"名为 \2 的是另一个文件；当时使用的文件（\3）已不在。",
    ),
    (
        r"The (\S+|textual inversion) (.+) \((.+)\) is not in the models folders, under this name or another\.",
        r"models 文件夹中没有 \2（\3），也没有改名后的同一文件。",
    ),
)


def reason(sentence: str, language: Literal["en", "zh"]) -> str:
    """Why a file is of no use, in the visitor's language; one that is not known stays as it is."""
    if language == "zh":
        for pattern, replacement in _REASONS:
            if re.fullmatch(pattern, sentence):
                return re.sub(pattern, replacement, sentence)
    return sentence
