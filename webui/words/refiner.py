"""The model that runs the last steps: -> (English, 简体中文)."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "refiner": ("Refiner", "精修模型"),
    "refiner_on": ("A second model runs the last steps", "由另一个模型运行最后几步"),
    "refiner_info": ("For SDXL: its refiner, or another SDXL model", "用于 SDXL：其 refiner 或另一个 SDXL 模型"),
    "refiner_model": ("Refiner's model", "精修所用模型"),
    "refiner_model_none": ("None chosen", "未选择"),
    "refiner_model_help": (
        "A name, as the Models tab has it: an SDXL refiner, or another SDXL model",
        "名称，见“模型”标签页：SDXL refiner 或另一个 SDXL 模型",
    ),
    "refiner_switch_at": ("Refiner takes over at", "精修接手位置"),
    "refiner_switch_at_info": ("Share of the steps", "占步数的比例"),
}
SENTENCES: dict[str, tuple[str, str]] = {
    "refiner_base": (
        "{field} goes with models of {names}; this model is of another family: {family}.",
        "{field}只能与 {names} 模型一起使用；当前模型属于：{family}。",
    ),
    "refiner_needed": (
        "{field}: choose the model that runs the last steps.",
        "{field}：请选择运行最后几步的模型。",
    ),
    "refiner_none_here": (
        "{field}: {name} is not in the models folder, nor is any other refiner; put one there, then refresh the list.",
        "{field}：模型文件夹中没有 {name}，也没有其他精修模型；请放入一个并刷新列表。",
    ),
    "refiner_same": (
        "{field}: {name} runs the first steps already; choose another one.",
        "{field}：{name} 已用于前面的步骤，请选择另一个。",
    ),
    "refiner_family": (
        "{field}: {name} cannot run the last steps of such a picture; its family: {theirs}.",
        "{field}：{name} 不能运行这类图片的最后几步，它属于：{theirs}。",
    ),
    "refiner_not_read": (
        "{field}: what {name} holds is not known yet; make a picture with it as the model first.",
        "{field}：尚不清楚 {name} 的内容；请先把它作为模型生成一张图片。",
    ),
    "refiner_one_step": (
        "{field}: one step alone runs, and two models want two; raise the steps or the strength.",
        "{field}：只运行一步，而两个模型至少需要两步；请增加步数或重绘强度。",
    ),
    "refiner_shares": (
        "{field} must be from {low:g} to {high:g}, so that each of the two models runs a step, got {value}.",
        "{field}必须在 {low:g} 到 {high:g} 之间，使两个模型都至少运行一步，现为 {value}。",
    ),
}
