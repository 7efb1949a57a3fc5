"""What the experiments of the tab Process say."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "trial_hint": (
        "Experiments with the settings of the picture chosen above: real pictures, saved like any other. Each stands in"
        " the Lab too, where it can be stopped and is counted further.",
        "以上方所选图片的设置做实验：都是真实生成的图片，与其他图片一样保存。每个实验也列在实验室中，可在那里停止并查看更多统计。",
    ),
    "trial_steps": ("Fewer steps", "更少的步数"),
    "trial_seeds": ("Between two seeds", "两个种子之间"),
    "trial_prompts": ("Between two prompts", "两个提示词之间"),
    "trial_guidance": ("Guidance as a curve", "引导曲线"),
    "trial_best": ("Best of N", "N 选最佳"),
    "trial_best_half": ("The best half", "较好的一半"),
    "trial_other_half": ("The others", "其余"),
    "trial_best_of": ("Expected of the best of so many", "从这么多张中选最佳的期望值"),
    "trial_best_tag": ("best of {count}", "{count} 选最佳"),
    "trial_working": ("Picture {done} of {cells} …", "第 {done}/{cells} 张图片……"),
    "trial_waits": ("It waits for an experiment of the Lab.", "正在等待实验室中的另一个实验。"),
    "trial_stopped": ("It was stopped: see the Lab.", "已停止：请查看实验室。"),
    "trial_done": ("{cells} pictures.", "共 {cells} 张图片。"),
    "trial_apart": (
        "Distance to the picture of {most} steps (1 − MS-SSIM; another seed: {other})",
        "与 {most} 步图片的距离（1 − MS-SSIM；另一个种子：{other}）",
    ),
    "trial_way": ("On the way", "途中"),
    "trial_faded": ("Cross-faded", "像素混合"),
    "trial_from": ("Distance to the first picture (1 − MS-SSIM)", "与第一张图片的距离（1 − MS-SSIM）"),
    "trial_fidelity": ("Fidelity: what the judge sees of the prompt", "忠实度：评判网络看到的提示词内容"),
    "trial_variety": ("Variety: distance between seeds (1 − MS-SSIM)", "多样性：种子之间的距离（1 − MS-SSIM）"),
    "trial_counted": ("Over {seeds} seeds", "共 {seeds} 个种子"),
}
SENTENCES: dict[str, tuple[str, str]] = {
    "judged_builtin": (
        "Only pictures of the built-in model can be ranked: its judge knows no others.",
        "只能为内置模型的图片排名：评判网络不认识其他模型的画面。",
    ),
    "judged_nothing": (
        "The prompt names nothing that the judge knows: a thing, its colour, a background.",
        "提示词中没有评判网络认识的内容：物体、颜色或背景。",
    ),
    "other_prompt_needed": ("A second prompt is needed.", "需要第二个提示词。"),
}

EXPERIMENT_WORDS: dict[str, tuple[str, str]] = {
    "steps": WORDS["trial_steps"],
    "steps_text": (
        "From the same noise, DDIM (σ = 0) walks the same path in longer strides: 10 steps already show the picture of"
        " 100. DDPM draws new noise z at every step, so every number of steps is another picture.",
        "从同样的噪声出发，DDIM（σ = 0）以更大的步幅走同一条路：10 步就已呈现 100 步的画面。"
        "DDPM 每一步都加入新噪声 z，因此步数不同，画面也不同。",
    ),
    "steps_paper": (
        "Song, Meng, Ermon 2021, Denoising Diffusion Implicit Models, eq. 12 and section 5.2",
        "Song、Meng、Ermon 2021，《Denoising Diffusion Implicit Models》，式 12 与 5.2 节",
    ),
    "seeds": WORDS["trial_seeds"],
    "seeds_text": (
        "Noise between that of two seeds, along the sphere, is noise too: every place on the way is a picture. Below,"
        " the two ends faded into each other pixel by pixel: both at once, and no picture of its own.",
        "沿球面在两个种子的噪声之间取点，仍然是噪声，因此途中每一处都是完整的图片。下面一行是首尾两张图逐像素混合：只是两者叠加。",
    ),
    "seeds_paper": (
        "Song, Meng, Ermon 2021, section 5.3; Shoemake 1985, Animating Rotation with Quaternion Curves",
        "Song、Meng、Ermon 2021，5.3 节；Shoemake 1985，《Animating Rotation with Quaternion Curves》",
    ),
    "other_seed": ("Second seed (empty: the next)", "第二个种子（留空：下一个）"),
    "prompts": WORDS["trial_prompts"],
    "prompts_text": (
        "The same noise, told a mixture of two prompts' embeddings: one thing turns into the other, often at once."
        " The prompts are read in Compel's language, as (…).blend(…).",
        "同样的噪声，给出两个提示词嵌入的混合：一样东西变成另一样，往往是突然变化。"
        "提示词按 Compel 语法以 (…).blend(…) 读取。",
    ),
    "prompts_paper": (
        "Ramesh et al. 2022, Hierarchical Text-Conditional Image Generation with CLIP Latents, section 3",
        "Ramesh 等 2022，《Hierarchical Text-Conditional Image Generation with CLIP Latents》，第 3 节",
    ),
    "other_prompt": ("Second prompt", "第二个提示词"),
    "guidance": WORDS["trial_guidance"],
    "guidance_text": (
        "The more guidance, the more of the prompt and the less variety between seeds; too much burns colours and"
        " edges, and the prompt is seen less again. Fidelity is told where the built-in model's judge can.",
        "引导越强，画面越贴近提示词，种子之间的差异越小；过强则色彩和边缘失真，反而更难看出提示词。忠实度仅对内置模型由其评判网络给出。",
    ),
    "guidance_paper": (
        "Ho & Salimans 2022, Classifier-Free Diffusion Guidance, section 4",
        "Ho 与 Salimans 2022，《Classifier-Free Diffusion Guidance》，第 4 节",
    ),
    "best": WORDS["trial_best"],
    "best_text": (
        "Many pictures of one prompt, ranked by how much of it the judge sees in them: the best of a few is more"
        " faithful than any one. DALL·E 1 ranked 512 by CLIP; here sixteen are ranked by a CLIP model of yours, or"
        " those of the built-in model by its judge. History has the scores, and can be sorted by them.",
        "同一提示词生成多张图片，按评判网络从中看出多少提示词内容排名：几张中最好的比任意一张更忠实。"
        "DALL·E 1 用 CLIP 为 512 张排名；这里由您的 CLIP 模型为十六张排名，内置模型的图片也可由其评判网络排名。"
        "评分记入历史，可按评分排序。",
    ),
    "best_paper": (
        "Ramesh et al. 2021, Zero-Shot Text-to-Image Generation, section 2.6",
        "Ramesh 等 2021，《Zero-Shot Text-to-Image Generation》，2.6 节",
    ),
    "judge": ("Ranked by", "评分者"),
    "own_judge": ("the built-in model's judge", "内置模型的评判网络"),
    "marked": ("Tag so many of the best", "标记最好的几张"),
    "run": ("Try it", "开始实验"),
}
