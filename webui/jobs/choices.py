"""Choices in a prompt (`{a|b}`, `__list__`) on their way through a job: planned when queued, drawn image by image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipelines.details import SETTLED, Detail
from pipelines.errors import InvalidRequest, Note
from pipelines.fields import fields_of
from pipelines.prompts.grammar import open_brackets
from pipelines.types import GenerationRequest
from webui.jobs.maps import MAKING, SLOTS
from webui.library.wildcards import Lists, fault, has_choices, references, resolve, unfinished

_UNSETTLED = {one.attribute: one.default for one in fields_of(Detail) if one.attribute in SETTLED}
IMAGES = 100  # of one job with choices: as many as a request may have batches


def planned(request: GenerationRequest, lists: Lists) -> GenerationRequest:
    """With choices in its prompts: their text as template too, and one image a batch, so that each has a choice of its
    own by its own seed. Without, or drawn already: as it is. Raises InvalidRequest."""
    if request.template is not None or request.negative_template is not None:
        return request
    texts = {name: getattr(request, name) for name in ("prompt", "negative_prompt")}
    for name, text in texts.items():
        if (found := fault(text, lists)) is not None:
            raise InvalidRequest(name, found.code, **found.values)
    for group, later in (("hires", request.hires), ("detail", request.detail)):
        for name in ("prompt", "negative_prompt") if later is not None else ():
            if has_choices(getattr(later, name), lists, name=f"{group}_{name}"):
                raise InvalidRequest(f"{group}_{name}", "choices_second")
    if not any([has_choices(text, lists, name=name) for name, text in texts.items()]):
        return request
    if request.images > IMAGES:
        raise InvalidRequest("batch_size", "choices_images", high=IMAGES, value=request.images)
    return replace(
        request,
        template=request.prompt,
        negative_template=request.negative_prompt,
        batch_size=1,
        batches=request.images,
    )


def unbalanced(text: str) -> tuple[Note, ...]:
    """What of a prompt was begun and not ended: A1111's rules read it all the same, seldom as it was meant."""
    return (*unfinished(text), *open_brackets(text))


def drawn(request: GenerationRequest, seed: int, lists: Lists) -> GenerationRequest:
    """The prompts that this seed gives a planned request; any other request as it is. Raises InvalidRequest."""
    template, negative = request.template, request.negative_template
    if template is None or negative is None or (request.prompt, request.negative_prompt) != (template, negative):
        return request
    return replace(
        request,
        prompt=_drawn(template, seed, lists, "prompt"),
        negative_prompt=_drawn(negative, seed, lists, "negative_prompt"),
    )


def _drawn(template: str, seed: int, lists: Lists, name: str) -> str:
    prompt = resolve(template, seed, lists, name=name).prompt
    for reference in references(prompt, lists):  # put together by choices, or a circle: never words
        raise InvalidRequest(name, "wildcard_assembled", name=reference.name)
    return prompt


def asked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A request as run, as JSON values, as it was asked for: the templates in the place of its prompts, its details
    without what its run settled, and of its maps nothing of how they were made."""
    found = dict(settings)
    for prompt, template in (("prompt", "template"), ("negative_prompt", "negative_template")):
        if (text := found.pop(template, None)) is not None:
            found[prompt] = text
    if isinstance(detail := found.get("detail"), Mapping):
        found["detail"] = {**detail, **_UNSETTLED}
    found |= {slot: {**found[slot], **MAKING} for slot in SLOTS if isinstance(found.get(slot), Mapping)}
    return found


def literal(prompt: str) -> str:
    """A prompt as run, written so that nothing in it is drawn again: its braces are letters."""
    try:
        if not has_choices(prompt, {}):
            return prompt
    except InvalidRequest:  # choices past all limits are letters too
        pass
    return re.sub(r"[{}]", r"\\\g<0>", prompt)
