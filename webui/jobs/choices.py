"""Choices in a prompt (`{a|b}`, `__list__`) on their way through a job: planned when queued, drawn image by image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipelines.errors import InvalidRequest
from pipelines.types import GenerationRequest
from webui.library.wildcards import Lists, has_choices, resolve

IMAGES = 100  # of one job with choices: as many as a request may have batches


def planned(request: GenerationRequest, lists: Lists) -> GenerationRequest:
    """With choices in its prompts: their text as template too, and one image a batch, so that each has a choice of its
    own by its own seed. Without, or drawn already: as it is. Raises InvalidRequest."""
    if request.template is not None or request.negative_template is not None:
        return request
    found = [has_choices(getattr(request, name), lists, name=name) for name in ("prompt", "negative_prompt")]
    if not any(found):
        return request
    if request.images > IMAGES:
        rule = f"must give at most {IMAGES} images with the batches when a prompt has choices, got {request.images:,}"
        raise InvalidRequest("batch_size", rule)
    return replace(
        request,
        template=request.prompt,
        negative_template=request.negative_prompt,
        batch_size=1,
        batches=request.images,
    )


def drawn(request: GenerationRequest, seed: int, lists: Lists) -> GenerationRequest:
    """The prompts that this seed gives a planned request; any other request as it is. Raises InvalidRequest."""
    template, negative = request.template, request.negative_template
    if template is None or negative is None or (request.prompt, request.negative_prompt) != (template, negative):
        return request
    return replace(
        request,
        prompt=resolve(template, seed, lists).prompt,
        negative_prompt=resolve(negative, seed, lists, name="negative_prompt").prompt,
    )


def asked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A request as run, as JSON values, with the prompts as they were asked for: the templates in their place."""
    found = dict(settings)
    for prompt, template in (("prompt", "template"), ("negative_prompt", "negative_template")):
        if (text := found.pop(template, None)) is not None:
            found[prompt] = text
    return found


def literal(prompt: str) -> str:
    """A prompt as run, written so that nothing in it is drawn again: its braces are letters."""
    try:
        if not has_choices(prompt, {}):
            return prompt
    except InvalidRequest:  # choices past all limits are letters too
        pass
    return re.sub(r"[{}]", r"\\\g<0>", prompt)
