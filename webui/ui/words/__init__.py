"""Every word of the page, in English and Simplified Chinese, and which of the two a visitor gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import gradio as gr
from fastapi import Request
from gradio.i18n import I18nData

from webui.ui.words.lab import LAB_LABELS, LAB_RULES, LAB_WORDS
from webui.ui.words.models import MODELS_WORDS, WHOLE_RULES
from webui.ui.words.proof import PROOF_RULES, PROOF_WORDS
from webui.ui.words.saving import SAVING_RULES, SAVING_WORDS

Language = Literal["en", "zh"]
COOKIE = "seedprint-language"  # set by the page's head script, so that Python and the browser agree

# key: (English, 简体中文)
WORDS: dict[str, tuple[str, str]] = {
    # -- frame
    "tab_txt2img": ("txt2img", "文生图"),
    "tab_img2img": ("img2img", "图生图"),
    "tab_inpaint": ("Inpaint", "局部重绘"),
    "tab_again": ("Make again", "重现图片"),
    "tab_history": ("History", "历史"),
    "engine_warming": (
        "The model is warming up; you can already ask for pictures.",
        "模型正在预热，现在就可以提交任务。",
    ),
    "engine_ready": ("Ready", "就绪"),
    "engine_failed": ("The engine failed", "引擎出错"),
    # -- controls
    "prompt": ("Prompt", "提示词"),
    "negative_prompt": ("Negative prompt", "反向提示词"),
    "negative_placeholder": ("What the picture should not show", "图片中不要出现的内容"),
    "prompt_placeholder_builtin": (
        "A simple scene, such as: a red star on a blue background (Ctrl+Enter generates)",
        "简单场景（英文），例如：a red star on a blue background（Ctrl+Enter 生成）",
    ),
    "prompt_placeholder_real": (
        "What the picture shows: subject, style, light, quality … (Ctrl+Enter generates)",
        "描述画面：主体、风格、光线、质量……（Ctrl+Enter 生成）",
    ),
    "examples": ("Try one", "试一试"),
    "preset": ("Preset", "预设"),
    "preset_none": ("None", "无"),
    "preset_info": ("Fills in the form around your words.", "围绕你的文字填好整个表单。"),
    "model": ("Model", "模型"),
    "builtin_note": (
        "A small model made by this project that draws simple scenes. Put real checkpoints into the models folder.",
        "本项目自带的小模型，只画简单场景。真正的模型请放入 models 文件夹。",
    ),
    "builtin_title": ("Built-in (simple scenes)", "内置模型（简单场景）"),
    "cannot_load": ("cannot be loaded", "无法加载"),
    "sampler": ("Sampler", "采样器"),
    "schedule": ("Schedule", "噪声调度"),
    "steps": ("Steps", "步数"),
    "guidance": ("Guidance", "引导强度"),
    "width": ("Width", "宽度"),
    "height": ("Height", "高度"),
    "batch_size": ("Batch size", "每批张数"),
    "batches": ("Batches", "批数"),
    "seed": ("Seed", "种子"),
    "seed_info": ("−1 draws one; image i has seed + i", "−1 为随机；第 i 张的种子为 seed + i"),
    "seed_random": ("Random", "随机"),
    "seed_reuse": ("Reuse", "沿用"),
    "clip_skip": ("CLIP skip", "CLIP 跳过层"),
    "clip_skip_info": ("1 is the text encoder's last layer", "1 为文本编码器的最后一层"),
    "form_undo": ("Undo", "撤销"),
    "form_reset": ("Defaults", "默认值"),
    "more": ("More settings", "更多设置"),
    "refresh": ("Refresh", "刷新"),
    "dialect": ("Language of the prompts", "提示词语法"),
    "dialect_info": (
        "How weights are written: (red:1.3), or red++ and (red)1.3",
        "权重写法：(red:1.3)，或 red++ 与 (red)1.3",
    ),
    "vae": ("VAE", "VAE 模型"),
    "vae_automatic": ("The model's own", "模型自带"),
    "lora": ("Add a LoRA", "添加 LoRA"),
    "lora_info": ("Writes it into the prompt, with its weight", "写入提示词，并带上权重"),
    "init_image": ("Start from", "原图"),
    "strength": ("Strength", "重绘强度"),
    "image_guidance": ("Picture guidance", "图像引导"),
    "image_guidance_info": ("How closely the edit keeps to the picture", "编辑结果与原图的接近程度"),
    "steps_run": ("{run} of {steps} steps really run.", "{steps} 步中实际运行 {run} 步。"),
    "steps_none": ("No step would run: raise the strength or the steps.", "一步都不会运行：请提高强度或步数。"),
    "resize_mode": ("If the shape differs", "比例不同时"),
    "resize_stretch": ("Stretch", "拉伸"),
    "resize_crop": ("Crop", "裁剪"),
    "resize_pad": ("Pad", "填充"),
    "mask": ("Picture and mask", "图片与蒙版"),
    "mask_blur": ("Mask blur", "蒙版模糊"),
    "mask_grow": ("Mask grow", "蒙版扩展"),
    "invert": ("Repaint what is not masked", "重绘未遮住的部分"),
    "masked_content": ("Masked area starts from", "蒙版区域的初始内容"),
    "content_fill": ("Surrounding colours", "周围颜色"),
    "content_original": ("Original", "原图"),
    "content_latent noise": ("Noise", "潜空间噪声"),
    "content_latent nothing": ("Nothing", "潜空间零值"),
    "only_masked": ("Work on the masked area only, at full size", "仅以完整尺寸重绘蒙版区域"),
    "padding": ("Padding around it", "周围留边"),
    "schedule_automatic": ("Automatic", "自动"),
    "schedule_karras": ("Karras", "Karras"),
    "schedule_exponential": ("Exponential", "指数"),
    "schedule_beta": ("Beta", "Beta"),
    "schedule_sgm uniform": ("SGM uniform", "SGM 均匀"),
    # -- the run
    "generate": ("Generate", "生成"),
    "cancel": ("Cancel", "取消"),
    "skip": ("Skip", "跳过"),
    "results": ("Pictures of this run", "本次图片"),
    "recent": ("Recent pictures", "最近的图片"),
    "grid": ("grid", "拼图"),
    "empty_run": ("Your pictures appear here.", "图片会显示在这里。"),
    "empty_recent": ("No pictures yet.", "还没有图片。"),
    "to_img2img": ("To img2img", "发送到图生图"),
    "to_inpaint": ("To inpaint", "发送到局部重绘"),
    "to_again": ("To make again", "发送到重现"),
    "reuse_seed": ("Reuse seed", "沿用种子"),
    "reuse_all": ("Reuse all settings", "沿用全部设置"),
    "state_idle": ("", ""),
    "state_queued": ("Waiting: {before} before it", "排队中：前面还有 {before} 个"),
    "state_next": ("Waiting: next in line", "排队中：下一个就是"),
    "state_warming": ("The model is warming up", "模型正在预热"),
    "state_done": ("Done", "完成"),
    "state_done_images": ("Done: {image} saved", "完成：已保存 {image} 张"),
    "state_cancelled": ("Cancelled: {image} of {images} saved", "已取消：已保存 {image}/{images} 张"),
    "state_failed": ("Failed", "失败"),
    "stage_": ("Starting", "准备中"),
    "stage_loading": ("Loading the model", "加载模型"),
    "stage_converting": ("Making an old file safe, once", "首次安全转换旧文件"),
    "stage_loading unet": ("Loading the model: UNet, {step} %", "加载模型：UNet，{step} %"),
    "stage_loading vae": ("Loading the model: VAE, {step} %", "加载模型：VAE，{step} %"),
    "stage_loading text_encoder": ("Loading the model: text encoder, {step} %", "加载模型：文本编码器，{step} %"),
    "stage_loading text_encoder_2": ("Loading the model: text encoder 2, {step} %", "加载模型：文本编码器 2，{step} %"),
    "stage_finding": ("Looking for its files", "查找所用的文件"),
    "stage_encoding": ("Reading the prompt", "解析提示词"),
    "stage_denoising": ("Step {step} of {steps}", "第 {step}/{steps} 步"),
    "stage_decoding": ("Turning it into pixels", "解码图像"),
    "stage_saving": ("Saving", "保存中"),
    "image_of": ("image {image} of {images}", "第 {image}/{images} 张"),
    "eta": ("about {seconds} s left", "大约还需 {seconds} 秒"),
    "more_waiting": ("{count} more waiting", "还有 {count} 个任务在等待"),
    "outside_unchanged": ("0 pixels changed outside the mask.", "蒙版之外改变的像素：0。"),
    "outside_changed": ("{count} pixels changed outside the mask.", "蒙版之外改变的像素：{count}。"),
    # -- make again
    "again_drop": ("Drop any picture", "拖入任意图片"),
    "drop_here": ("Drop the picture: its settings open in Make again", "松开图片：将在“重现图片”中打开其参数"),
    "drop_refused": ("The file could not be taken: it may be too large.", "无法接收该文件：可能太大。"),
    "again_missing": ("Not here", "此处没有"),
    "again_missing_model": ("model {name}", "模型 {name}"),
    "again_missing_lora": ("LoRA {name}", "LoRA {name}"),
    "again_recent": ("… or choose a recent one", "……或从最近的图片中选择"),
    "again_make": ("Make it again", "重现这张图片"),
    "again_send": ("Send to its tab", "发送到对应的标签页"),
    "again_settings": ("Its settings", "生成参数"),
    "again_raw": ("Raw text", "原始文本"),
    "again_hint": (
        "Every picture carries the settings that made it. Choose one to see them, change them, or make it again and"
        " compare every pixel.",
        "每张图片都带有自己的生成参数。选择一张即可查看、修改，或重新生成并逐像素比较。",
    ),
    "again_nothing": ("This picture does not hold settings we know.", "这张图片不含可识别的生成参数。"),
    "again_foreign": (
        "These settings come from {program}: they can be sent to a tab, but not compared pixel for pixel.",
        "这些参数来自{program}：可以发送到标签页，但无法逐像素比较。",
    ),
    "again_other_program": ("another program", "其他程序"),
    "again_first_text": ("Text of the first picture of this line ({program})", "最初那张图片的文本（{program}）"),
    "again_unknown": ("Not understood", "未能识别"),
    "again_identical": ("identical", "完全一致"),
    "again_identical_detail": ("Every pixel is the same.", "每个像素都相同。"),
    "again_differs": (
        "differs in {count} pixels, by at most {max} of 255",
        "有 {count} 个像素不同，最大差值 {max}（满值 255）",
    ),
    "again_because": ("What is not as it was", "与当时不同之处"),
    "again_cannot": ("It cannot be made again", "无法重现"),
    "again_choose": ("Choose a picture first.", "请先选择一张图片。"),
    "field_task": ("Task", "任务"),
    "field_size": ("Size", "尺寸"),
    "field_made_with": ("Made with", "运行环境"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    **LAB_WORDS,
    **MODELS_WORDS,
    **PROOF_WORDS,
    **SAVING_WORDS,
    # -- faults
    "fault_mask_path": ("mask: must be drawn or uploaded on this page", "蒙版：必须在本页绘制或上传"),
    "fault_source": ("init_image: must be given, got none", "原图：请先选择图片"),
    "fault_select": ("Select a picture first.", "请先选择一张图片。"),
    "fault_gone": ("The picture is no longer in the output folder.", "图片已不在输出文件夹中。"),
    "fault_unreadable": ("The file is not a picture that can be read.", "无法读取该图片文件。"),
}

# What the canvas and the picture strips say; their scripts look the words up themselves.
SCRIPT_WORDS: dict[str, tuple[str, str]] = {
    "theme": ("Light or dark", "浅色或深色"),
    "language": ("中文", "English"),
    "tagline": ("Pictures that can be made again", "可以原样重现的图片"),
    "drop": ("Drop a picture here, paste it, or click to choose", "拖入、粘贴图片，或点击选择"),
    "brush": ("Brush", "画笔"),
    "erase": ("Erase", "橡皮"),
    "size": ("Brush size", "画笔大小"),
    "zoom_in": ("Zoom in (+, or Ctrl and the wheel)", "放大（+，或 Ctrl 加滚轮）"),
    "zoom_out": ("Zoom out (−)", "缩小（−）"),
    "zoom_fit": ("Whole picture (0)", "显示整张图片（0）"),
    "undo": ("Undo", "撤销"),
    "invert": ("Invert", "反转"),
    "clear": ("Clear", "清除"),
    "upload": ("Mask file", "蒙版文件"),
    "other": ("Other picture", "换一张"),
    "canvas": ("Paint over what should change", "涂抹需要改变的区域"),
    "unreadable": ("The file is not a picture that can be read.", "无法读取该图片文件。"),
    "unsent": ("The mask did not reach the program; paint once more.", "蒙版未能送达程序，请再涂一笔。"),
    "open": ("Open in full size", "打开原图"),
    "seed": ("seed", "种子"),
    "preview": ("Preview of the picture being made", "正在生成的图片预览"),
    "progress": ("Progress", "进度"),
}

# Rules of `InvalidRequest`, in the order they are tried.
RULES: tuple[tuple[str, str], ...] = (
    *PROOF_RULES,
    *WHOLE_RULES,
    (r"must be a whole number from (.+) to (.+), got None", r"请填写 \1 到 \2 之间的整数"),
    (r"must be a number from (.+) to (.+), got None", r"请填写 \1 到 \2 之间的数"),
    (r"must be a whole number from (.+) to (.+), got (.+)", r"必须是 \1 到 \2 之间的整数，现为 \3"),
    (r"must be a number from (.+) to (.+), got (.+)", r"必须是 \1 到 \2 之间的数，现为 \3"),
    (r"must be from (.+) to (.+), got (.+)", r"必须在 \1 到 \2 之间，现为 \3"),
    (r"must be a multiple of (.+), got (.+)", r"必须是 \1 的倍数，现为 \2"),
    (r"must be one of (.+) with (.+), got (.+)", r"采样器 \2 只能搭配 \1，现为 \3"),
    (r"must be one of (.+), got (.+)", r"必须是以下之一：\1，现为 \2"),
    (r"must have at most (.+) characters, got (.+)", r"最多 \1 个字符，现有 \2 个"),
    (r"must be at least (.+) for (.+) steps, got (.+)", r"\2 步时至少为 \1，现为 \3"),
    (r"must mark at least one pixel, got an empty mask", r"至少要涂抹一个像素，现为空"),
    (
        r"must give at most (.+) images with the batches when a prompt has choices, got (.+)",
        r"提示词含随机选项时连同批次最多 \1 张，现为 \2 张",
    ),
    (r"must make at most (.+) choices, got more", r"最多 \1 个随机选项"),
    (r"must not nest choices deeper than (.+)", r"随机选项最多嵌套 \1 层"),
    (r"must be at most (.+) in Compel's dialect, got (.+)", r"使用 Compel 语法时最大为 \1，现为 \2"),
    (r"must be in Compel's language, got what it cannot read: (.*)", r"Compel 无法解析：\1"),
    (r"must not use \.swap\(\).*", "不能使用 .swap()，它只在模型内部有效"),
    (r"must name LoRAs as (.+), got withLora", r"LoRA 请写成 \1"),
    (r"must be automatic or a VAE in the models folder, got (.+)", r"模型文件夹中没有这个 VAE：\1"),
    (r"must be given(?: with a mask)?, got none", r"请先选择图片"),
    (r"must have the picture's size (.+), got (.+)", r"尺寸必须与图片相同 \1，现为 \2"),
    (r"must be an existing picture, got (.+)", r"图片不存在：\1"),
    *LAB_RULES,
    *SAVING_RULES,
)


def translate(key: str, language: Language, **values: object) -> str:
    """The words of `key`, with `{name}` filled from `values`."""
    text = WORDS[key][language == "zh"]
    return text.format(**values) if values else text


def language_of(request: gr.Request | Request | None) -> Language:
    """The visitor's language: what the page chose (a cookie), else what the browser asks for first."""
    if request is None:
        return "en"
    chosen = request.cookies.get(COOKIE)
    if chosen in {"en", "zh"}:
        return "zh" if chosen == "zh" else "en"
    asked = request.headers.get("accept-language") or ""
    return "zh" if asked.strip().lower().startswith("zh") else "en"


def sentence(field: str | None, rule: str, language: Language) -> str:
    """A broken rule as one sentence: the English one as the error has it, or its Chinese counterpart."""
    if language == "en":
        name = WORDS[field][0] if field in WORDS else field
        return f"{name}: {rule}" if name else rule
    chinese = rule
    for pattern, replacement in RULES:
        if re.fullmatch(pattern, rule):
            chinese = re.sub(pattern, replacement, rule)
            break
    name = WORDS[field][1] if field in WORDS else field
    return f"{name}：{chinese}" if name else chinese


def lab_label(label: str, language: Language) -> str:
    """A label of the lab's results in the visitor's language."""
    if language == "zh":
        for pattern, replacement in LAB_LABELS:
            if re.fullmatch(pattern, label):
                return re.sub(pattern, replacement, label)
    return label


def translations(more: Mapping[str, tuple[str, str]] | None = None) -> gr.I18n:
    """Every word for the browser, and `more` of the same shape. zh-TW would fall back to English without its own."""
    table = {**WORDS, **(more or {})}
    places = {"en": 0, "zh": 1, "zh-CN": 1, "zh-TW": 1, "zh-HK": 1, "zh-SG": 1}
    return gr.I18n(**{tag: {key: words[place] for key, words in table.items()} for tag, place in places.items()})


def word(key: str) -> I18nData:
    """The words of `key` for a label: the browser chooses the language."""
    if key not in WORDS:
        raise KeyError(key)
    return I18nData(key)
