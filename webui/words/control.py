"""ControlNets and their maps: -> (English, 简体中文)."""

from __future__ import annotations

from pipelines.fields import groups_of
from pipelines.leading import Control
from pipelines.types import GenerationRequest

SLOTS = tuple(name for name, told in groups_of(GenerationRequest).items() if told.of is Control)
# of a field of each of them
_FIELDS: dict[str, tuple[str, str]] = {
    "map": ("Picture or map", "图片或控制图"),
    "model": ("Network", "网络"),
    "weight": ("Weight", "权重"),
    "start": ("From", "起点"),
    "end": ("Until", "终点"),
    "balance": ("Counts for more", "侧重"),
    "kind": ("The map shows", "控制图内容"),
    "preprocessor": ("Map made by", "控制图由此生成"),
    "low": ("Edges go on at", "边缘延续阈值"),
    "high": ("Edges begin at", "边缘起始阈值"),
}
_INFOS: dict[str, tuple[str, str]] = {
    "start_info": ("Share of the steps", "占步数的比例"),
    "end_info": ("Share of the steps", "占步数的比例"),
    "weight_info": ("0: off", "0 为关闭"),
    "kind_info": ("For union and inpaint networks", "用于 union 与重绘网络"),
    "map_help": (
        "The picture whose edges, lines or colours are followed, or a map of them",
        "要遵循其边缘、线条或颜色的图片，或其控制图",
    ),
    "model_help": (
        "A ControlNet's name, as the Models tab has it; left out: the built-in one",
        "ControlNet 名称，见“模型”标签页；省略则用内置的",
    ),
}
WORDS: dict[str, tuple[str, str]] = {
    "control": ("ControlNet", "ControlNet 控制"),
    "control_take": ("Take the start picture", "使用原图"),
    "control_look": ("The map that is followed", "实际使用的控制图"),
    "control_model_builtin-outlines": ("Built-in (outlines)", "内置（轮廓）"),
    "control_balance_balanced": ("Both alike", "均衡"),
    "control_balance_prompt": ("The prompt", "提示词"),
    "control_balance_control": ("The map", "控制图"),
    "control_kind_pose": ("A pose", "姿势"),
    "control_kind_depth": ("Depth", "深度"),
    "control_kind_thick lines": ("Thick lines", "粗线条"),
    "control_kind_thin lines": ("Thin lines", "细线条"),
    "control_kind_normals": ("Normals", "法线"),
    "control_kind_segments": ("Segments", "分割"),
    "control_kind_tile": ("Tiles", "分块"),
    "control_kind_repaint": ("What to repaint", "待重绘区域"),
    "control_preprocessor_none": ("It is a map", "不处理：已是控制图"),
    "control_preprocessor_canny": ("Canny edges", "Canny 边缘"),
    "control_preprocessor_soft edges": ("Soft edges", "柔和边缘"),
    "control_preprocessor_lineart": ("Line drawing", "线稿"),
    "control_preprocessor_scribble": ("Scribble", "涂鸦"),
    "control_preprocessor_invert": ("Inverted", "反色"),
    "control_preprocessor_tile": ("Tile: the picture itself", "分块：图片本身"),
    "control_preprocessor_blur": ("Blur", "模糊"),
    "control_preprocessor_colour grid": ("Grid of colours", "颜色网格"),
    "control_preprocessor_segments": ("Areas of like colour", "同色区域"),
    **{f"control_{name}": words for name, words in _FIELDS.items()},
    **{f"group_{slot}": (f"ControlNet {slot[-1]}", f"第 {slot[-1]} 个 ControlNet") for slot in SLOTS},
    **{
        f"{slot}_{name}": (f"ControlNet {slot[-1]}: {words[0].lower()}", f"ControlNet {slot[-1]}：{words[1]}")
        for slot in SLOTS
        for name, words in _FIELDS.items()
    },
    **{f"{slot}_{name}": words for slot in SLOTS for name, words in _INFOS.items()},
}
SENTENCES: dict[str, tuple[str, str]] = {
    "map_needed": ("Choose a picture or a map for the ControlNet first.", "请先为 ControlNet 选择图片或控制图。"),
    "map_shape": (
        "{field} must have the shape of the picture, {wanted}, got {value}.",
        "{field}的比例必须与图片（{wanted}）相同，现为 {value}。",
    ),
    "control_ends_early": (
        "{field} must not be before where it begins, {start}, got {value}.",
        "{field}不能早于起点 {start}，现为 {value}。",
    ),
    "control_kind": (
        "{field}: {name} is a ControlNet of a kind that cannot be used yet ({variant}).",
        "{field}：{name} 属于尚不支持的 ControlNet 类型（{variant}）。",
    ),
    "control_unfit": (
        "{field}: {name} does not fit the model: {problem}",
        "{field}：{name} 与模型不符：{problem}",
    ),
}
