"""Words on the card's memory: the line under the sizes, whether they fit, and warnings of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipelines.models.memory import FAMILIES, Calibration, Size, plan, shape_of
from pipelines.types import EngineState, ModelInfo
from webui.ui.words import Language

_CHINESE = (
    (r"too large: the model alone takes (.+) of (.+) GB", r"太大：仅模型就需要 \1 GB，可用显存 \2 GB"),
    (r"too large: the most that fits is (.+)", r"太大：最大可用 \1"),
    (r"fits with (.+)", r"可以运行，方式：\1"),
    (r"fits: (.+) of (.+) GB", r"显存足够：约需 \1 GB，可用 \2 GB"),
)
_SLOW = (
    r"A step took (.+) s, the ones before about (.+) s: the card's memory .+",
    r"有一步用了 \1 秒，此前每步约 \2 秒：显存可能已溢出到内存。缩小图像或批量，或关闭其他程序，即可恢复速度。",
)
_WAYS = {
    "one image at a time": "逐张生成",
    "text encoders off the card": "文本编码器移出显存",
    "each part alone on the card": "各部件轮流进入显存",
    "layer by layer": "逐层进入显存",
    "8-bit weights": "8 位权重",
    "tiled decode": "分块解码",
}


def told(state: EngineState, model: ModelInfo | None, fields: Mapping[str, Any], language: Language) -> str:
    """`fields`: what the form holds, checked by nobody yet. "" when there is no card, or nothing known of the model."""
    free = state.memory_free_bytes
    if free is None or model is None or model.family not in FAMILIES:
        return ""
    width, height, batch = (_within(fields[name]) for name in ("width", "height", "batch_size"))
    guidance = fields["guidance"]
    if not (width and height and batch) or not isinstance(guidance, (int, float)):
        return ""
    shape = shape_of(model.family, bytes_per_number=4 if state.dtype == "float32" else 2)
    size = Size(width=width, height=height, batch=batch, guided=guidance > 1)
    calibration = Calibration(**state.memory_learned.get(model.family, {}))
    text = plan(shape, size, free, calibration=calibration).sentence()
    return text if language == "en" else _chinese(text)


def warning(text: str, language: Language) -> str:
    """What an engine warned of while it worked."""
    return text if language == "en" else re.sub(*_SLOW, text)


def _within(value: object) -> int:
    """0 for what is no size at all: the request says so when it is sent."""
    return value if isinstance(value, int) and 0 < value <= 4096 else 0


def _chinese(text: str) -> str:
    for pattern, replacement in _CHINESE:
        if re.fullmatch(pattern, text):
            text = re.sub(pattern, replacement, text)
            break
    for english, chinese in _WAYS.items():
        text = text.replace(english, chinese)
    return text.replace(", ", "、")
