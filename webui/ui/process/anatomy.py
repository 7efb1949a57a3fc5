"""The model of a picture, looked at while it works."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import gradio as gr

from pipelines.errors import InvalidRequest, SeedprintError
from pipelines.types import Batch, GenerationRequest
from webui.process.experiments import base_of
from webui.ui.followed import followed
from webui.ui.house import House
from webui.ui.widgets.anatomy import AnatomyView
from webui.ui.widgets.process import ProcessView
from webui.words import choice_key, fault, language_of, translate

STEPS = 6


class AnatomyCard:
    """`view`: where the picture is chosen."""

    def __init__(self, house: House, view: ProcessView) -> None:
        self.house, self.view = house, view

    def build(self) -> AnatomyCard:
        """Call inside a Blocks context."""
        self.shown = AnatomyView(elem_id="process_anatomy")
        return self

    def wire(self) -> None:
        self.shown.submit(
            self.look,
            self.view,
            self.shown,
            concurrency_limit=None,
            show_progress="hidden",
            api_visibility="private",
            api_name="process_anatomy",
        )

    def look(self, view: Any, request: gr.Request) -> Iterator[dict[str, Any]]:
        """That it works, then what was seen."""
        language = language_of(request)
        path = self.house.output_file(view.get("place") if isinstance(view, dict) else None)
        if path is None:
            yield {"state": "refused", "told": translate("fault_select", language)}
            return
        working = {"state": "working", "told": translate("anatomy_working", language)}
        yield working
        try:
            asked = base_of(path)
            batch = _batch(replace(asked, steps=min(asked.steps, STEPS)))
            result = (yield from followed(lambda hear: self.house.service.watched(batch, hear), lambda _: working))[0]
            if not result.blocks:
                raise InvalidRequest("file", "not_dissected")
        except SeedprintError as error:
            yield {"state": "refused", "told": fault(error, language)}
            return
        own = choice_key("model", asked.model)
        told = translate(
            "anatomy_done",
            language,
            model=translate(own, language) if own else asked.model,
            steps=batch.request.steps,
            width=asked.width,
            height=asked.height,
            device=result.facts.get("device_name", "–"),
        )
        yield {"state": "done", "told": told, "blocks": [asdict(block) for block in result.blocks]}


def _batch(request: GenerationRequest) -> Batch:
    return replace(request.batch_at(request.seed or 0, 0), anatomy=True)
