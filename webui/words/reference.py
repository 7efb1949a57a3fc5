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
