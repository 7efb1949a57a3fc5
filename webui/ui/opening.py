"""What a page asks for as soon as it opens, answered in the page itself: it shows the kept form at once, and a reload
asks the program for little more than what is new.

Gradio's own way is an event the browser sends once the page is up. Those of `blocks.load` that need no queue are run
here instead, in the order they were wired, on the values the page has; the page no longer asks for them.
"""

from __future__ import annotations

import logging
from copy import copy
from typing import Any

import gradio as gr
import orjson
from fastapi import Request
from gradio.routes import toorjson
from gradio.state_holder import SessionState
from starlette.types import Scope

from pipelines.errors import SeedprintError
from webui.ui.generate.filling import FILLED, unfolded

_LOG = logging.getLogger(__name__)
_BEFORE, _AFTER = b"window.gradio_config = ", b";</script>"


async def opened(page: bytes, scope: Scope) -> bytes:
    """The page as Gradio wrote it, with what its opening events tell. A page that holds no form stays as it is."""
    above, before, rest = page.partition(_BEFORE)
    config, after, below = rest.partition(_AFTER)
    if not after:
        return page
    told = orjson.loads(config)
    await _Opening(scope["app"].get_blocks(), told).run(gr.Request(Request(scope)))
    written: str = toorjson(told)  # type: ignore[no-untyped-call]
    return b"".join([above, before, written.encode(), after, below])


class _Answer(SessionState):
    """What a component is while one page is answered. Gradio's also gathers what each of them would be shown with,
    which nobody asks here."""

    def __init__(self, blocks: gr.Blocks) -> None:
        self.blocks_config = copy(blocks.default_config)
        self.state_data, self._state_ttl, self.is_closed = {}, {}, False

    def __setitem__(self, key: int, value: Any) -> None:
        known = self.blocks_config.blocks.get(key)
        kept = self.state_data if known is not None and known.stateful else self.blocks_config.blocks
        kept[key] = value

    def _update_config(self, key: int) -> None:
        return

    def _update_value_in_config(self, key: int, value: Any) -> None:
        return


class _Opening:
    def __init__(self, blocks: gr.Blocks, config: dict[str, Any]) -> None:
        self._blocks, self._state = blocks, _Answer(blocks)
        self._props = {one["id"]: one["props"] for one in config["components"]}
        self._named = {one.get("elem_id"): one for one in self._props.values()}
        self._events = {one["id"]: one for one in config["dependencies"]}

    async def run(self, request: gr.Request) -> None:
        for event in self._blocks.fns.values():
            asks, others = self._targets(event)
            if not asks or event.queue or event.fn is None:
                continue
            try:
                await self._answer(event, request)
            except SeedprintError:
                continue  # the page asks, and is told what is wrong
            except Exception:  # noqa: BLE001  a bug in one must not keep the page from opening; it goes to the log
                _LOG.exception("the event %s of a page that opens", event.api_name)
                continue
            self._events[event._id]["targets"] = others

    def _targets(self, event: Any) -> tuple[list[Any], list[Any]]:
        """Those that fire when the page opens, and the others."""
        targets = self._events[event._id]["targets"] if event._id in self._events else []
        opening = [self._blocks._id, "load"]
        return [one for one in targets if list(one) == opening], [one for one in targets if list(one) != opening]

    async def _answer(self, event: Any, request: gr.Request) -> None:
        values = [self._props[one._id].get("value") for one in event.inputs]
        answer = await self._blocks.process_api(event, values, state=self._state, request=request)
        for component, told in zip(event.outputs, answer["data"], strict=True):
            if component.elem_id == FILLED:
                for field, update in unfolded(told).items():
                    self._show(self._named[field], update)
            else:
                self._show(self._props[component._id], told)

    def _show(self, props: dict[str, Any], told: Any) -> None:
        update = told if isinstance(told, dict) and told.get("__type__") == "update" else {"value": told}
        props.update({key: one for key, one in update.items() if key != "__type__"})
