"""What the drawing of a model says."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "anatomy_working": ("It makes a picture of a few steps …", "正在用少量步数生成一张图片……"),
    "anatomy_done": (
        "{model}, measured over {steps} steps at {width} × {height}, on {device}.",
        "{model}：在 {device} 上以 {width} × {height}、{steps} 步测得。",
    ),
}
SENTENCES: dict[str, tuple[str, str]] = {
    "not_dissected": ("This model's blocks are not told.", "无法得知这个模型的各个模块。"),
}

ANATOMY_WORDS: dict[str, tuple[str, str]] = {
    "anatomy": ("Anatomy of the model", "模型的结构"),
    "anatomy_text": (
        "What the prompt goes through: the text encoder once, the U-Net at every step, the VAE's decoder at the end. Of"
        " each block: the channels, height and width (or tokens and width) that it gives on, its parameters, its"
        " attention, and the time of one call; the stronger its colour, the longer. Dashed: what the U-Net hands over"
        " beside its middle.",
        "提示词经过的各个网络：文本编码器一次，U-Net 每一步一次，VAE 解码器在最后。"
        "每个模块标出其输出的通道数、高和宽（或词元数和宽度）、参数量、注意力层以及一次调用的时间；颜色越浓耗时越长。"
        "虚线：U-Net 绕过中间层直接传递的内容。",
    ),
    "anatomy_paper": (
        "Ronneberger, Fischer, Brox 2015, U-Net; Rombach et al. 2022, High-Resolution Image Synthesis with Latent"
        " Diffusion Models",
        "Ronneberger、Fischer、Brox 2015，《U-Net》；"
        "Rombach 等 2022，《High-Resolution Image Synthesis with Latent Diffusion Models》",
    ),
    "see_it": ("Look at the picture's model", "查看所选图片的模型"),
    "text_encoder": ("Text encoder", "文本编码器"),
    "text_encoder_2": ("Second text encoder", "第二文本编码器"),
    "unet": ("U-Net, with the prompt and without at once", "U-Net（同时计算有提示词与无提示词）"),
    "vae": ("Decoder of the VAE", "VAE 解码器"),
    "whole": ("{parameters} parameters, {time} a call", "{parameters} 个参数，每次调用 {time}"),
    "layers": ("{layers} layers", "{layers} 层"),
    "attention": ("attention × {attention}", "注意力 × {attention}"),
    "attention_words": ("attention × {attention}, {words} to words", "注意力 × {attention}，其中 {words} 层看词语"),
}
