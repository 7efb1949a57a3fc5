"""What is said of pictures made again and compared: key -> (English, 简体中文)."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "proof_before": ("in the file", "文件中"),
    "proof_now": ("made now", "现在生成"),
    "proof_difference": ("difference, {factor} times as strong", "差异（放大 {factor} 倍）"),
    "files": ("Pictures", "图片"),
}
SENTENCES: dict[str, tuple[str, str]] = {
    "role_model": ("model", "模型"),
    "role_vae": ("VAE", "VAE"),
    "role_refiner": ("refiner", "精修模型"),
    "role_lora": ("LoRA", "LoRA"),
    "role_upscaler": ("upscaler", "放大模型"),
    "role_control": ("ControlNet", "ControlNet 网络"),
    "role_reference": ("IP-Adapter", "IP-Adapter 网络"),
    "role_encoder": ("image encoder", "图像编码器"),
    "role_embedding": ("textual inversion", "Textual Inversion"),
    "file_renamed": (
        "The {what} {name} is now called {now}; it is the same file.",
        "{what} {name} 现名 {now}，是同一个文件。",
    ),
    "file_replaced": (
        "Another file bears the name of the {what} {name}; the one that made this ({sha256}) is not there.",
        "名为 {name} 的{what}是另一个文件；当时使用的文件（{sha256}）已不在。",
    ),
    "file_altered": (
        "The file of {name} changed since {since}, though size and time are the same: its disk may be failing. Get the"
        " file anew.",
        "{name} 的文件自 {since} 后内容有变，但大小和时间相同：磁盘可能有故障。请重新获取该文件。",
    ),
    "file_not_found": (
        "The {what} {name} ({sha256}) is not in the models folders, under this name or another.",
        "models 文件夹中没有{what} {name}（{sha256}），也没有改名后的同一文件。",
    ),
    "no_settings": ("The file does not hold the settings that made it.", "文件中没有生成它的设置。"),
    "made_elsewhere": (
        "Another program made it ({program}): its settings can be used, but what is made with them is another picture.",
        "由其他程序（{program}）生成：可以使用其参数，但生成的会是另一张图片。",
    ),
    "is_a_grid": ("This is a grid: make its single images again.", "这是网格图：请重做其中的单张图片。"),
    # -- after an update
    "golden_due": (
        "Updated since the golden set was last made again: {changes}. What that changes is found out while nothing"
        " else runs, or at once by `python app.py verify --against golden`.",
        "自上次重现基准集以来已更新：{changes}。空闲时会自动检查其影响，也可运行"
        " `python app.py verify --against golden` 立即检查。",
    ),
    "golden_differs": (
        "After the update ({changes}) {differ} of {count} golden pictures are no longer the same.",
        "更新（{changes}）之后，{count} 张基准图片中有 {differ} 张不再相同。",
    ),
    "golden_identical": (
        "After the update ({changes}) all {count} golden pictures are still identical, pixel for pixel.",
        "更新（{changes}）之后，全部 {count} 张基准图片仍逐像素一致。",
    ),
    # -- what a badge says
    "proof_not_yet": ("Not made again yet", "尚未重现验证"),
    "proof_identical_when": (
        "Made again on {day}: identical, pixel for pixel ({on})",
        "{day} 重现：逐像素完全一致（{on}）",
    ),
    "proof_differs_when": ("Made again on {day}: differs ({on})", "{day} 重现：有差异（{on}）"),
    "proof_cannot": ("Cannot be made again", "无法重现"),
    "proof_cannot_when": ("Could not be made again on {day}", "{day} 未能重现"),
    # -- why a picture differs
    "fact_changed": ("{name}: was {then}, is {now}", "{name}：当时为 {then}，现为 {now}"),
    "prompt_rules_changed": (
        "the rules by which prompts are read have changed since: were {then}, are {now}",
        "读取提示词的规则此后有变：当时为 {then}，现为 {now}",
    ),
    "lossy_copy": (
        "the file is JPEG or AVIF: pixels are counted against a lossy copy",
        "文件是 JPEG 或 AVIF：与有损副本比较像素",
    ),
    "pixels_changed": ("the file's pixels were changed after it was saved", "文件保存后像素被修改过"),
    "no_fact_differs": ("no recorded fact differs", "没有记录的条件发生变化"),
}
