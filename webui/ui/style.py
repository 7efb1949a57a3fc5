"""How the page looks: its theme, and what stands at its top. System fonts only: nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from webui.http.early import EarlyScript
from webui.http.weight import Fresh
from webui.library.presets import Preset
from webui.ui.labels import translations
from webui.ui.opening import opened
from webui.ui.widgets.composer import preset_words

_FONTS = ["system-ui", "-apple-system", "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Consolas", "monospace"]


def theme() -> gr.themes.Base:
    """Quiet greys, one green; light and dark."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.emerald,
        secondary_hue=gr.themes.colors.emerald,
        neutral_hue=gr.themes.colors.zinc,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
        font=_FONTS,
        font_mono=_MONO,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_500",
        block_info_text_color_dark="*neutral_400",
        block_border_width="1px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_title_text_weight="500",
        block_title_text_size="13px",
        block_info_text_size="12px",
        input_background_fill="*neutral_50",
        input_background_fill_dark="*neutral_800",
        input_border_width="1px",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
    )


def mount_options(presets: Sequence[Preset] = ()) -> dict[str, Any]:
    """What `gr.mount_gradio_app` needs besides the Blocks: given to Blocks itself, these would be dropped."""
    return {
        "theme": theme(),
        "app_kwargs": {"middleware": [Middleware(EarlyScript, fill=opened), Middleware(Fresh)]},
        "i18n": translations(preset_words(presets)),
        "footer_links": [],
        "run_history": False,
        "max_file_size": "64mb",
    }
