"""Gives the request a group all of whose fields have defaults, before anything has derived from it.

Loaded by `-p tests.switched.plugin`, in a process of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines import fields, kinds, types
from webui.words import WORDS

NAMES = ("second", "scale", "second_steps", "method", "second_exact")


@dataclass(frozen=True, kw_only=True, slots=True)
class Second:
    """A field of every kind that such a group may have."""

    scale: float = fields.setting(2.0, kinds.number(1, 4), infotext="Second scale", per_model="form")
    steps: int = fields.setting(0, kinds.whole(0, 150), name="second_steps", infotext="Second steps", sparse=True)
    method: str = fields.setting("latent", kinds.choice("latent", "lanczos"), infotext="Second method", sparse=True)
    # what a model settles for each request that has the group
    exact: bool | None = fields.setting(None, kinds.flag(), name="second_exact", page=False, per_model="always")

    def __post_init__(self) -> None:
        fields.check(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequest(types.GenerationRequest):
    second: Second | None = fields.group(Second, per_model="form")


types.GenerationRequest = GenerationRequest  # type: ignore[misc]
types.REQUEST_FIELDS = fields.fields_of(GenerationRequest)
for name in (*NAMES, "method_latent", "method_lanczos"):
    WORDS[name] = (name.replace("_", " ").capitalize(), f"第二遍 {name}")
