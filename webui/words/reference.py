"""Reference pictures, and the IP-Adapters that look at them: -> (English, 简体中文)."""

from __future__ import annotations

from pipelines.fields import groups_of
from pipelines.leading import Reference
from pipelines.types import GenerationRequest

SLOTS = tuple(name for name, told in groups_of(GenerationRequest).items() if told.of is Reference)
# of a field of each of them
_FIELDS: dict[str, tuple[str, str]] = {
    "picture": ("Picture to be like", "参考图片"),
    "model": ("IP-Adapter", "IP-Adapter"),
    "encoder": ("Image encoder", "图像编码器"),
    "weight": ("Weight", "权重"),
    "start": ("From", "起点"),
    "end": ("Until", "终点"),
}
_ALONE = {"picture": "picture", "model": "IP-Adapter"}  # behind the number of its slot
_INFOS: dict[str, tuple[str, str]] = {
    "start_info": ("Share of the steps", "占步数的比例"),
    "end_info": ("Share of the steps", "占步数的比例"),
    "weight_info": ("0: off", "0 为关闭"),
    "picture_help": ("A picture that the new one is to be like", "希望新图片与之相似的图片"),
    "model_help": (
        "An IP-Adapter's name, as the Models tab has it; left out: the first that fits",
        "IP-Adapter 名称，见“模型”标签页；省略则用第一个适合的",
    ),
    "encoder_help": (
        "The name of the CLIP vision model that it was trained with; left out: the first that fits",
        "其训练所用的 CLIP 视觉模型的名称；省略则用第一个适合的",
    ),
}
WORDS: dict[str, tuple[str, str]] = {
    "unclip": ("Variations of a picture (unCLIP)", "图片变体 (unCLIP)"),
    "group_unclip": ("Variations of a picture, with an unCLIP model", "图片变体（需要 unCLIP 模型）"),
    "unclip_picture": ("Picture to vary", "要变化的图片"),
    "unclip_picture_help": ("A picture that an unCLIP model makes variations of", "由 unCLIP 模型制作其变体的图片"),
    "unclip_noise_level": ("Freedom of the variation", "变体的自由度"),
    "unclip_noise_level_info": (
        "Noise in what the model sees of the picture: 0 keeps most of it, 999 none",
        "模型所见图片内容中的噪声：0 保留最多，999 完全不保留",
    ),
    "reference": ("Reference pictures", "参考图片"),
    "reference_model_automatic": ("The first that fits", "第一个适合的"),
    "reference_encoder_automatic": ("The first that fits", "第一个适合的"),
    **{f"reference_{name}": words for name, words in _FIELDS.items()},
    **{f"group_{slot}": (f"Reference picture {slot[-1]}", f"第 {slot[-1]} 张参考图片") for slot in SLOTS},
    **{
        f"{slot}_{name}": (
            f"Reference {slot[-1]}: {_ALONE.get(name, words[0].lower())}",
            f"参考图片 {slot[-1]}：{words[1]}",
        )
        for slot in SLOTS
        for name, words in _FIELDS.items()
    },
    **{f"{slot}_{name}": words for slot in SLOTS for name, words in _INFOS.items()},
}
SENTENCES: dict[str, tuple[str, str]] = {
    "unclip_needed": ("Choose the picture to vary first.", "请先选择要变化的图片。"),
    "unclip_wanted": (
        "Choose the picture to vary: {model} is an unCLIP model, which makes variations of a picture.",
        "请选择要变化的图片：{model} 是 unCLIP 模型，用于制作图片的变体。",
    ),
    "unclip_other": (
        "{field}: {model} makes no variations of a picture; choose an unCLIP model or take the picture away.",
        "{field}：{model} 不能制作图片变体；请选择 unCLIP 模型，或移除该图片。",
    ),
    "reference_needed": ("Choose the reference picture first.", "请先选择参考图片。"),
    "reference_none": (
        "{field}: no IP-Adapter for {family} lies in the models folder.",
        "{field}：models 文件夹中没有适合 {family} 的 IP-Adapter。",
    ),
    "reference_which": (
        "{field}: choose it by its name, as what the model is will only be known when it has been used once.",
        "{field}：请按名称选择；此模型用过一次之后才能确定其类型。",
    ),
    "reference_kind": (
        "{field}: {name} is an IP-Adapter of a kind that cannot be used yet ({variant}).",
        "{field}：{name} 属于尚不支持的 IP-Adapter 类型（{variant}）。",
    ),
    "reference_unfit": (
        "{field}: {name} does not fit the model: {problem}",
        "{field}：{name} 与模型不符：{problem}",
    ),
    "encoder_none": (
        "{field}: {name} needs a CLIP vision model (model.safetensors with its config.json) that gives {width} numbers;"
        " none lies in the models folder.",
        "{field}：{name} 需要输出 {width} 个数的 CLIP 视觉模型（model.safetensors 及其 config.json），"
        "models 文件夹中没有。",
    ),
    "encoder_other": (
        "{field}: {name} is not the kind that {adapter} was trained with, which gives {width} numbers.",
        "{field}：{name} 不是 {adapter} 训练所用的那种，后者输出 {width} 个数。",
    ),
    "encoder_broken": ("{field}: {name} cannot be used: {problem}", "{field}：{name} 无法使用：{problem}"),
    "encoder_memory": (
        "The image encoder {name} needs {needed:.1f} GB of main memory, {free:.1f} GB are free.",
        "图像编码器 {name} 需要 {needed:.1f} GB 内存，现有 {free:.1f} GB 可用。",
    ),
}
