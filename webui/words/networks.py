"""The drawer of networks, and why a network cannot be used: key or code -> (English, 简体中文)."""

from __future__ import annotations

NETWORK_WORDS: dict[str, tuple[str, str]] = {
    "networks": ("Networks", "附加网络"),
    "find": ("Find by name, word or folder", "按名称、触发词或文件夹查找"),
    "all": ("All", "全部"),
    "lora": ("LoRA", "LoRA"),
    "embedding": ("Embeddings", "嵌入"),
    "checkpoint": ("Models", "模型"),
    "controlnet": ("ControlNet", "ControlNet"),
    "reference": ("IP-Adapter", "IP-Adapter"),
    "one_lora": ("LoRA", "LoRA"),
    "one_embedding": ("Embedding", "嵌入"),
    "one_checkpoint": ("Model", "模型"),
    "one_controlnet": ("ControlNet", "ControlNet"),
    "one_reference": ("IP-Adapter", "IP-Adapter"),
    "kinds": ("Kinds", "类型"),
    "folders": ("Folders", "文件夹"),
    "order": ("Order", "排序"),
    "by_use": ("Recently used", "最近使用"),
    "by_name": ("By name", "按名称"),
    "refresh": ("Look again", "重新查找"),
    "loading": ("Looking …", "查找中……"),
    "none": (
        "Nothing here yet: put LoRAs, embeddings and models into the models folder.",
        "这里还没有文件：请把 LoRA、嵌入和模型放入 models 文件夹。",
    ),
    "nothing": ("Nothing fits the search.", "没有匹配的结果。"),
    "failed": ("The program does not answer.", "程序没有响应。"),
    "add_lora": ("Write {tag} into the prompt", "把 {tag} 写入提示词"),
    "take_lora": ("Take {name} out of the prompt", "从提示词中去掉 {name}"),
    "add_word": ("Write {word} at the caret", "在光标处写入 {word}"),
    "add_negative": ("Write {word} into the negative prompt", "把 {word} 写入反向提示词"),
    "use_model": ("Use {name} as the model", "使用模型 {name}"),
    "words": ("Trigger words of {name}", "{name} 的触发词"),
    "other_family": ("For {theirs}; the model is {family}", "适用于 {theirs}，当前模型为 {family}"),
    "not_taken": ("{family} takes none here", "{family} 在此不支持"),
    "no_picture": ("No picture", "没有图片"),
    "make": ("Make a picture", "生成图片"),
    "make_of": (
        "Make a picture of {name}: fixed words and seed, kept in the data folder",
        "为 {name} 生成图片：固定词语与种子，保存在数据文件夹",
    ),
    "queued": ("Waiting …", "等待中……"),
    "running": ("Making …", "生成中……"),
    "cancelled": ("It was cancelled.", "已取消。"),
}
WORDS: dict[str, tuple[str, str]] = {
    "job_preview": ("Card", "卡片"),
}
SENTENCES: dict[str, tuple[str, str]] = {
    "network_not_used": (
        "It is known by its content, but Seedprint cannot use it yet.",
        "已识别其内容，但 Seedprint 暂时无法使用。",
    ),
    "network_follows_map": (
        "It follows a picture or a map: choose it under ControlNet in the form.",
        "它需要图片或控制图：请在表单的 ControlNet 中选择。",
    ),
    "network_looks_at_picture": (
        "It looks at a picture that the new one is to be like: choose it under Reference pictures in the form.",
        "它参照一张图片来生成：请在表单的“参考图片”中选择。",
    ),
    "network_unspeakable": (
        "Its name holds <, > or a colon, which no prompt can say: rename the file.",
        "文件名含有 <、> 或冒号，提示词中无法引用：请重命名文件。",
    ),
    "network_without_model": (
        "There is no model of {family} to make its picture with.",
        "没有 {family} 模型可用来生成图片。",
    ),
}
