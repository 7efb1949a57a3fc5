"""How pictures are saved: format, sidecars, grid and the pattern of names, with an example that follows the typing."""

from __future__ import annotations

from typing import Any

import gradio as gr

from pipelines.errors import SeedprintError
from webui.archive.formats import FORMATS
from webui.archive.naming import EXAMPLE, NamePattern
from webui.archive.store import GRIDS, SIDECARS, ImageStore, Saving
from webui.kept.saving import SavingSettings
from webui.ui.generate.changes import Changes
from webui.ui.generate.controls import Updates, typed
from webui.ui.generate.handlers import escaped
from webui.ui.inputs import CheckboxGroup, Dropdown, TextBox
from webui.ui.labels import word
from webui.words import fault, language_of, translate

_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
_NAMES = {"png": "PNG", "webp": "WebP", "jpeg": "JPEG", "avif": "AVIF"}


class SavingForm:
    """The components and their handlers."""

    def __init__(self, store: ImageStore, kept: SavingSettings) -> None:
        self.store, self.kept = store, kept

    def build(self, opened: gr.Tab) -> SavingForm:
        """Call inside `opened`."""
        self.opened = opened
        with gr.Column(elem_classes="card", elem_id="saving"):
            gr.Markdown(word("saving"), elem_classes="section-title")
            self.pattern = TextBox(label=word("pattern"), elem_id="saving_pattern", max_lines=1)
            self.example = gr.HTML(elem_id="saving_example")
            with gr.Row():
                self.format = Dropdown(
                    [(_NAMES[name], name) for name in FORMATS], label=word("format"), elem_id="saving_format"
                )
                self.sidecars = CheckboxGroup(
                    [(f".{name}", name) for name in SIDECARS], label=word("sidecars"), elem_id="saving_sidecars"
                )
                self.grid = Dropdown(
                    [(word(f"grid_{name}"), name) for name in GRIDS], label=word("saving_grid"), elem_id="saving_grid"
                )
            self.save = gr.Button(word("saving_save"), size="sm", elem_id="saving_save", scale=0, min_width=120)
        return self

    def wire(self, blocks: gr.Blocks) -> None:
        fields: list[Any] = [self.pattern, self.format, self.sidecars, self.grid]
        blocks.load(self.show, None, [*fields, self.example], api_name="saving", **_QUIET)
        told: dict[str, Any] = {"inputs": fields, "outputs": self.example, **_QUIET}
        # `change`: `input` hears typed letters only, no Backspace and no paste. One event for all that asks: two could
        # answer in another order than they were asked
        changes = Changes()
        changes.ask(fields, self.tell, api_name="saving_example", **told)
        changes.wire()
        asks = "() => void window.seedprintAsk(['saving_example_ask'])"
        self.opened.select(None, js=asks, api_visibility="private")
        self.save.click(self.change, fields, self.example, api_name="saving_save", **_QUIET)

    def show(self, request: gr.Request) -> Updates:
        saving = self.store.saving
        return {
            self.pattern: saving.pattern,
            self.format: saving.format,
            self.sidecars: list(saving.sidecars),
            self.grid: saving.grid,
            self.example: self.tell(saving.pattern, saving.format, saving.sidecars, saving.grid, request),
        }

    def tell(self, pattern: Any, kind: Any, sidecars: Any, grid: Any, request: gr.Request) -> str:
        """What a file would be called, whether that is kept and what room there is; or what is wrong."""
        try:
            saving = _saving(pattern, kind, sidecars, grid)
            free = f"{self.store.free_bytes() / 1e9:,.1f}"
        except SeedprintError as error:
            return _fault(error, request)
        name = NamePattern(saving.pattern).name(EXAMPLE, suffix=saving.suffix)
        language = language_of(request)
        kept = translate("saving_kept" if saving == self.store.saving else "saving_unkept", language)
        told = f"{escaped(translate('saving_example', language))} <code>{escaped(name)}</code>"
        room = translate("saving_free", language, free=free)
        return f'<p class="note">{told}</p><p class="note">{escaped(kept)} {escaped(room)}</p>'

    def change(self, pattern: Any, kind: Any, sidecars: Any, grid: Any, request: gr.Request) -> str:
        """From the next picture on, and after a restart."""
        try:
            saving = _saving(pattern, kind, sidecars, grid)
            self.kept.keep(saving)
        except SeedprintError as error:
            return _fault(error, request)
        self.store.save_as(saving)
        return self.tell(pattern, kind, sidecars, grid, request)


def _saving(pattern: Any, kind: Any, sidecars: Any, grid: Any) -> Saving:
    return Saving(
        pattern=typed("pattern", pattern),
        format=str(kind),
        sidecars=tuple(sorted(sidecars or (), key=str)),
        grid=str(grid),
    )


def _fault(error: SeedprintError, request: gr.Request) -> str:
    return f'<p class="error-line">{escaped(fault(error, language_of(request)))}</p>'
