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
    "no_tokenizer": ("The tokenizer is missing.", "缺少分词器。"),
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
    "no_upscaler": (
        "it is a network of the kind {architecture}, which does not make colour pictures from colour pictures",
        "它是 {architecture} 类网络，不能由彩色图片生成彩色图片",
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
    # -- old pickles and their conversion
    "pickle_writes": ("It was refused: it tried to write a file.", "已拒绝：它试图写入文件。"),
    "pickle_event": (
        "It was refused: it tried to do what no model needs ({event}).",
        "已拒绝：它试图做任何模型都不需要的事（{event}）。",
    ),
    "pickle_no_end": (
        "It is damaged: its zip archive has no end; it may be cut short.",
        "文件损坏：其 zip 没有结尾，可能被截断。",
    ),
    "pickle_odd_file": ("It was refused: it holds a file named {name}.", "已拒绝：其中有名为 {name} 的文件。"),
    "pickle_swells": ("It was refused: it would swell when unpacked.", "已拒绝：解包后会异常膨胀。"),
    "pickle_memory": (
        "It was refused: it asks for more memory than its size explains.",
        "已拒绝：它要求的内存远超文件大小。",
    ),
    "pickle_code": (
        "It was refused: it would run code ({name}) when opened.",
        "已拒绝：打开时会运行代码（{name}）。",
    ),
    "pickle_objects": (
        "It was refused: it holds too many objects of other programs.",
        "已拒绝：其中有太多其他程序的对象。",
    ),
    "pickle_more": (
        "It was refused: it holds more than weights, and opening it could run code.",
        "已拒绝：除权重外还有其他内容，打开可能运行代码。",
    ),
    "pickle_damaged": ("It is damaged: {reason}.", "文件损坏：{reason}。"),
    "pickle_no_weights": ("There are no weights in it.", "其中没有权重。"),
    "pickle_form": (
        "It holds {name} in a form that safetensors cannot hold.",
        "其中 {name} 的形式无法存为 safetensors。",
    ),
    "pickle_larger": (
        "It was refused: its tensors claim to be larger than the file.",
        "已拒绝：其张量声称比文件还大。",
    ),
    "conversion_unwritten": (
        "The converted copy of {name} cannot be written: {reason}.",
        "无法写入 {name} 的转换副本：{reason}。",
    ),
    "conversion_folder": (
        "The folder for converted models cannot be made: {reason}.",
        "无法建立存放转换模型的文件夹：{reason}。",
    ),
    "conversion_room": (
        "Converting needs {needed:.1f} GB of room, but only {free:.1f} GB are free.",
        "转换需要 {needed:.1f} GB 空间，目前只剩 {free:.1f} GB。",
    ),
    "conversion_slow": (
        "Converting it took longer than {seconds} s and was stopped.",
        "转换超过 {seconds} 秒，已停止。",
    ),
    "conversion_status": (
        "It could not be converted: the conversion ended with status {status}.",
        "无法转换：转换进程以状态 {status} 结束。",
    ),
    "conversion_other": (
        "It could not be converted: the copy does not hold the same tensors.",
        "无法转换：副本与原文件的张量不一致。",
    ),
    "prediction_unknown": (
        "This model predicts {value}; only {known} can be sampled.",
        "该模型的预测类型为 {value}，只支持 {known}。",
    ),
}
