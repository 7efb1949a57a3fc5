"""What the tab Process says: how a picture is taken apart into noise and put together again."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "tab_process": ("Process", "过程"),
    "process_hint": (
        "How a picture is taken apart into noise, and how this one came out of noise again.",
        "一张图片如何一步步变成噪声，又如何从噪声中重新生成。",
    ),
    "process_strip": ("Film as a picture (PNG)", "影片长图（PNG）"),
    "process_moving": ("Film that moves (WebP)", "动态影片（WebP）"),
    "process_empty": ("No pictures yet: make one, or open a file below.", "还没有图片：先生成一张，或在下面打开文件。"),
    "process_working": ("It is made again …", "正在重新生成……"),
    "process_step": ("Step {step} of {steps}", "第 {step}/{steps} 步"),
    "process_same": ("Made again, pixel for pixel: this is how it came to be.", "已逐像素重现：它就是这样生成的。"),
    "process_near": (
        "Made again but for rounding: this is how it came to be.",
        "除舍入误差外完全重现：它就是这样生成的。",
    ),
    "process_other": (
        "What came out differs from the file: another machine, version or file makes other steps.",
        "结果与文件不同：设备、版本或模型文件不同，步骤也会不同。",
    ),
}

SENTENCES: dict[str, tuple[str, str]] = {
    "no_shares": (
        "How much of the picture is to be left must be given as a few shares that are above 0 and not above 1.",
        "剩余画面的比例须为若干个大于 0 且不大于 1 的数。",
    ),
    "not_filmed": (
        "It was made without any steps of denoising, as a picture is that was made larger.",
        "这张图片没有经过去噪步骤（例如放大得到的图片）。",
    ),
}

PROCESS_WORDS: dict[str, tuple[str, str]] = {
    "apart": ("Apart: into noise", "拆散：变成噪声"),
    "apart_text": (
        "Every picture can be mixed with noise to any degree in one step. ᾱ says how much of its power is left at t; a"
        " model is trained on such mixtures, to say what noise is in them.",
        "任何图片都能一步混入任意程度的噪声。ᾱ 表示在 t 时还剩多少画面信号；"
        "模型就是在这样的混合图上训练，学会说出其中的噪声。",
    ),
    "apart_paper": (
        "Ho, Jain, Abbeel 2020, Denoising Diffusion Probabilistic Models, eq. 4",
        "Ho、Jain、Abbeel 2020，《Denoising Diffusion Probabilistic Models》，式 4",
    ),
    "time": ("Time t", "时间 t"),
    "schedule": ("Schedule", "噪声日程"),
    "linear": ("linear (DDPM)", "线性（DDPM）"),
    "scaled": ("scaled linear (Stable Diffusion)", "缩放线性（Stable Diffusion）"),
    "cosine": ("cosine (Nichol & Dhariwal)", "余弦（Nichol & Dhariwal）"),
    "left": ("ᾱ = {bar}, signal to noise {ratio}", "ᾱ = {bar}，信噪比 {ratio}"),
    "steps_apart": (
        "{t} single steps and the one step with the same noise: {apart} apart at most; the noise deviates {spread}.",
        "{t} 个单步与使用相同噪声的一步：最多相差 {apart}；该噪声的标准差为 {spread}。",
    ),
    "within": ("In", "所在空间"),
    "pixels": ("pixels", "像素"),
    "latents": ("latents of its model, decoded", "其模型的潜空间（解码显示）"),
    "latents_working": ("It is mixed in the latents and decoded …", "正在潜空间中混合并解码……"),
    "latents_told": (
        "Stable Diffusion mixes its noise into latents, not into pixels: here the model's VAE encodes the picture, the"
        " same share of noise is added, and what comes of it is decoded. The VAE never learned such latents: noise"
        " looks like spots and colours, not like grain.",
        "Stable Diffusion 的噪声加在潜变量上，而不是像素上：这里由模型的 VAE 编码图片，加入同样比例的噪声，再解码显示。"
        "VAE 从未学过这样的潜变量，因此噪声看起来像色块，而不是颗粒。",
    ),
    "latents_gone": ("The program does not answer.", "程序没有响应。"),
    "own_latents": (
        "Only a picture of this program's archive has a model: choose one above.",
        "只有本程序图库中的图片才有对应的模型：请在上方选择一张。",
    ),
    "count_steps": ("Go step by step", "逐步计算"),
    "own": ("Open a file of your own", "打开自己的文件"),
    "unreadable": (
        "This file is damaged, or not a picture that the browser can show.",
        "该文件已损坏，或不是浏览器能显示的图片。",
    ),
    "choose": ("Choose a picture above.", "请在上方选择一张图片。"),
    "film_it": ("Film it: make it again and keep its steps", "拍成影片：重新生成并保留每一步"),
    "own_film": (
        "Only a picture of this program's archive can be filmed: choose one above.",
        "只能拍摄本程序图库中的图片：请在上方选择一张。",
    ),
    "together": ("Together: out of noise", "重建：从噪声中生成"),
    "together_text": (
        "The picture is made again, and looked at on its way: what the network sees at a step, the noise that it says"
        " is in it, and the picture that lies beneath if it is right.",
        "图片会被重新生成，并显示途中的每一步：网络看到的画面、它认为其中的噪声，以及由此推算出的画面。",
    ),
    "together_paper": (
        "Song, Meng, Ermon 2021, Denoising Diffusion Implicit Models, eq. 9",
        "Song、Meng、Ermon 2021，《Denoising Diffusion Implicit Models》，式 9",
    ),
    "noisy": ("What the network sees, x_t", "网络看到的 x_t"),
    "clean": ("The picture beneath, x̂_0", "推算出的画面 x̂_0"),
    "noise": ("The noise that it says, ε̂", "它认为的噪声 ε̂"),
    "noisy_tokens": ("What the network sees: masked tokens are grey", "网络看到的画面：被掩码的词元为灰色"),
    "clean_tokens": ("What it draws for them", "它为这些词元画出的内容"),
    "guidance": ("Guidance at this step", "这一步的引导"),
    "guidance_text": (
        "Asked twice, with the prompt and without (or with the negative prompt), the network says two pictures; the"
        " guidance goes on beyond, along their difference. Grey: the prompt changes nothing there.",
        "网络被问两次：有提示词和没有提示词（或负面提示词），得到两个画面；引导沿着两者之差走得更远。灰色表示提示词在此处没有影响。",
    ),
    "guidance_paper": (
        "Ho & Salimans 2022, Classifier-Free Diffusion Guidance",
        "Ho 与 Salimans 2022，《Classifier-Free Diffusion Guidance》",
    ),
    "without": ("Without the prompt", "没有提示词"),
    "given": ("With the prompt", "有提示词"),
    "difference": ("Their difference", "两者之差"),
    "moment": ("Step {step} of {steps} · ᾱ = {bar}", "第 {step}/{steps} 步 · ᾱ = {bar}"),
    "moment_tokens": (
        "Step {step} of {steps} · {bar} of the tokens known",
        "第 {step}/{steps} 步 · 已知词元的比例 {bar}",
    ),
    "at": ("Step", "步骤"),
}
