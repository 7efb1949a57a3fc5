"""Why a model's file cannot be loaded, converted or used: code -> (English, 简体中文)."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    # -- around the reason
    "of_model": ("{name}: {problem}", "{name}：{problem}"),
    "lora_unfit": ("The LoRA {name} cannot be used: {problem}", "LoRA {name} 无法使用：{problem}"),
    "word_unfit": (
        "The textual inversion {name} cannot be used: {problem}",
        "Textual Inversion {name} 无法使用：{problem}",
    ),
    "vae_unfit": ("The VAE {name} cannot be used: {problem}", "VAE {name} 无法使用：{problem}"),
    "library_says": ("It cannot be read ({kind}: {text}).", "无法读取（{kind}：{text}）。"),
    # -- parts and tensors
    "model_gone": ("The model is gone from {path}.", "模型已不在 {path}。"),
    "no_text_encoder": ("The text encoder is missing.", "缺少文本编码器。"),
    "words_differ": (
        "The tokenizer has {tokenizer:,} words, the text encoder {encoder:,}.",
        "分词器有 {tokenizer:,} 个词，文本编码器有 {encoder:,} 个。",
    ),
    "weights_missing": (
        "{count} weights of {part} are missing, the first is {name}.",
        "{part} 缺少 {count} 个权重，第一个是 {name}。",
    ),
    "tensor_missing": ("The weights {name} are missing in the file.", "文件中缺少权重 {name}。"),
    "tensor_unknown": (
        "{count} of its tensors are not understood, the first is {name}.",
        "其中 {count} 个张量无法识别，第一个是 {name}。",
    ),
    "quantized": (
        "Its weights are packed in a way that is not supported, as {name} shows.",
        "其权重的打包（量化）方式不受支持：{name}。",
    ),
    "shape_differs": (
        "{name} has the shape {found} instead of {wanted}.",
        "{name} 的形状是 {found}，应为 {wanted}。",
    ),
    "prediction_unsupported": (
        "It was trained with {prediction}, which is not supported yet.",
        "其训练方式为 {prediction}，暂不支持。",
    ),
    "t5_in_file": (
        "The file holds a T5 text encoder and no tokenizer for it: use one with the CLIP encoders alone, or the"
        " diffusers folder.",
        "文件含有 T5 文本编码器，却没有它的分词器：请使用只含 CLIP 的文件，或 diffusers 文件夹。",
    ),
    "embedding_not_finite": (
        "The model gave NaN, infinity or nothing for a picture.",
        "模型对图片给出了 NaN、无穷大或空结果。",
    ),
    # -- LoRAs, LyCORIS adapters and learned words
    "layers_unfit": (
        "{missing} of its {total} layers do not fit this model.",
        "其 {total} 个层中有 {missing} 个不适合此模型。",
    ),
    "half_missing": ("Its layer {name} lacks one of its two halves.", "其层 {name} 缺少两个矩阵中的一个。"),
    "alpha_unplaced": (
        "Its alpha {name} belongs to no layer of it, so its strength is not known.",
        "其 alpha {name} 不属于任何层，因此强度未知。",
    ),
    "alpha_unread": ("Its alpha {name} is no number.", "其 alpha {name} 不是数。"),
    "notes_damaged": ("The notes in its header are damaged.", "其文件头中的说明已损坏。"),
    "layer_lacks": ("One of its layers has no {name}.", "其中一层没有 {name}。"),
    "layer_has_more": (
        "One of its layers has {name} too, which is not understood.",
        "其中一层还有 {name}，无法识别。",
    ),
    "layer_empty": (
        "One of its layers has an alpha or a magnitude and nothing else.",
        "其中一层只有 alpha 或 magnitude，没有其他内容。",
    ),
    "vectors_unfit": (
        "Its vectors have the shapes {found}; this model reads words of the width {widths}.",
        "其向量形状为 {found}，此模型的词宽度为 {widths}。",
    ),
}
