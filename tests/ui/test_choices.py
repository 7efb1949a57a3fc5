"""Choices in a prompt from the page and back."""

from __future__ import annotations

from typing import Any

import pytest

from webui.archive import metadata

from .conftest import Page
from .test_events import faults, large, run, value_of


@pytest.mark.parametrize("prompt", ["a {red|blue|green} star", r"a \{red|blue\} {star|heart}"])
def test_reuse_all_gives_the_prompt_as_run(ui: Page, prompt: str) -> None:
    status = run(ui, "txt2img", prompt=prompt, seed=9, batch_size=2)
    answer = ui.call("form_send", {"canvas": large(ui, status, "run", 1)})
    shown: dict[str, Any] = {
        name: value_of(answer[f"form_{name}"]) for name in ("prompt", "seed", "batch_size", "batches")
    }
    again = run(ui, "txt2img", **shown)
    first, second = (metadata.read(saved.path).record for saved in (status.saved[1], again.saved[0]))
    assert first is not None
    assert second is not None
    assert first.settings["template"] == prompt
    assert first.settings["prompt"] == second.settings["prompt"]
    assert first.pixels_sha256 == second.pixels_sha256


def test_too_many_images_are_told_beside_the_field(ui: Page) -> None:
    values = {"form_prompt": "{a|b}", "form_batch_size": 16, "form_batches": 7}
    answer = ui.call("form_submit", values, language="zh-CN")
    assert "最多 100 张" in faults(answer)["batch_size"]
