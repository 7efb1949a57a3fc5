"""What pictures of other programs say: finds out whose text it is and hands it to that program's reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webui.archive.readers import comfyui as foreign_comfy
from webui.archive.readers import flat as foreign_flat
from webui.archive.readers.values import Findings, load_object

Texts = Mapping[str, str]  # names as in the file: PNG keys, `UserComment`, `Comment`, `xmp:UserComment` …


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """Settings of a picture that another program made."""

    program: str
    text: str  # as it stands in the file
    fields: Mapping[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    model_hash: str | None = None


def read(texts: Texts) -> Foreign | None:
    """The settings in a file's texts, None when no program that is known wrote them. Never fails."""
    for reader in (_parameters, _invokeai, _novelai, _comfyui, _easy_diffusion, _draw_things, _comment):
        found = reader(texts)
        if found is not None:
            return found
    return None


def _made(program: str, text: str, found: Findings | None) -> Foreign | None:
    if found is None:
        return None
    return Foreign(program=program, text=text, fields=found.fields, unknown=found.unknown, model_hash=found.model_hash)


def _parameters(texts: Texts) -> Foreign | None:
    """JSON where others write `parameters`, which is UserComment in all formats but PNG."""
    text = texts.get("parameters")
    data = load_object(text)
    return _by_content(text, data) if text and data is not None else None


def _by_content(text: str, data: Mapping[str, Any]) -> Foreign | None:
    swarm = data.get("sui_image_params")
    if isinstance(swarm, dict):
        return _made("SwarmUI", text, foreign_flat.swarmui(swarm))
    if foreign_flat.is_easy_diffusion(data):
        return _made("Easy Diffusion", text, foreign_flat.easy_diffusion(data))
    if "prompt" in data and "base_model" in data:
        return _made("Fooocus", text, foreign_flat.fooocus(data))
    if isinstance(data.get("positive_prompt"), str) and "scheduler" in data:
        return _made("InvokeAI", text, foreign_flat.invokeai(data))
    graph = foreign_comfy.as_graph(data)
    if graph is not None:
        return _made("ComfyUI", text, foreign_comfy.read(graph))
    return Foreign(program="", text=text, unknown=("parameters: JSON of a program that is not known",))


def _invokeai(texts: Texts) -> Foreign | None:
    readers: tuple[tuple[str, Callable[[dict[str, Any]], Findings | None]], ...] = (
        ("invokeai_metadata", foreign_flat.invokeai),
        ("sd-metadata", foreign_flat.invokeai_2),
    )
    for name, reader in readers:
        data = load_object(texts.get(name))
        if data is not None and (made := _made("InvokeAI", texts[name], reader(data))):
            return made
    text = texts.get("Dream")
    return _made("InvokeAI", text, foreign_flat.dream(text)) if text and len(text) < 100_000 else None


def _novelai(texts: Texts) -> Foreign | None:
    if not texts.get("Software", "").startswith("NovelAI"):
        return None
    text = "\n".join(texts[name] for name in ("Description", "Comment") if name in texts)
    return _made("NovelAI", text, foreign_flat.novelai(texts))


def _comfyui(texts: Texts) -> Foreign | None:
    data = load_object(texts.get("prompt"))
    graph = foreign_comfy.as_graph(data) if data is not None else None
    name = "prompt"
    if graph is None:
        data = load_object(texts.get("workflow"))
        graph = foreign_comfy.from_workflow(data) if data is not None else None
        name = "workflow"
    return _made("ComfyUI", texts[name], foreign_comfy.read(graph)) if graph is not None else None


def _easy_diffusion(texts: Texts) -> Foreign | None:
    if not foreign_flat.is_easy_diffusion(texts):
        return None
    text = "\n".join(f"{name}: {value}" for name, value in texts.items())
    return _made("Easy Diffusion", text, foreign_flat.easy_diffusion(texts))


def _draw_things(texts: Texts) -> Foreign | None:
    text = texts.get("xmp:UserComment", "")
    data = load_object(text)
    if data is None or "c" not in data or "steps" not in data:
        return None
    return _made("Draw Things", text, foreign_flat.draw_things(data))


def _comment(texts: Texts) -> Foreign | None:
    """Forks of Fooocus keep their JSON in `Comment`."""
    text = texts.get("Comment", "")
    data = load_object(text)
    if data is None or "prompt" not in data or "base_model" not in data:
        return None
    return _made("Fooocus", text, foreign_flat.fooocus(data))
