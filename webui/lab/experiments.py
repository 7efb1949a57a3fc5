"""An experiment is data: a base request, a question, and the seeds at which every variant is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipelines.errors import InvalidRequest, Note
from pipelines.fields import fields_of, groups_of
from pipelines.groups import SEED_END, InitImage, Inpaint
from pipelines.kinds import shown
from pipelines.types import GenerationRequest
from webui.archive.inputs import InputStore
from webui.archive.metadata import request_from_json, request_to_json
from webui.lab.questions import Grid, Question, Variant, beside, level_of, question_from_json, question_to_json

CELLS_LIMIT = 1000
NAME_LIMIT = 120  # characters
SCHEMA = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One image of an experiment. `place` counts cells; `variant` and `seed` say which of each."""

    place: int
    variant: int
    label: Note
    seed: int
    row: Note
    column: Note
    request: GenerationRequest  # one image, seed given


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """Checked when built: whatever stands in it can be made, as far as the request itself can tell."""

    name: str
    base: GenerationRequest  # its own seed and batch counts do not matter
    seeds: tuple[int, ...]
    question: Question

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > NAME_LIMIT:
            raise InvalidRequest("name", "lab_name", limit=NAME_LIMIT, value=len(self.name))
        seeds = self.paired_seeds
        if not seeds or len(set(seeds)) < len(seeds):
            raise InvalidRequest("seeds", "seeds_different" if seeds else "seeds_none")
        for seed in seeds:
            if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < SEED_END:
                raise InvalidRequest("seeds", "whole_number", low=0, high=SEED_END - 1, value=shown(seed))
        count = len(self.variants()) * len(seeds)
        if count > CELLS_LIMIT:
            raise InvalidRequest("seeds", "lab_too_many", limit=CELLS_LIMIT, value=count)

    @property
    def paired_seeds(self) -> tuple[int, ...]:
        """The seeds of the experiment; those of a grid's seed axis when it has one."""
        if isinstance(self.question, Grid):
            for axis in self.question.axes:
                if axis.field == "seed":
                    return axis.values
        return self.seeds

    def variants(self) -> tuple[Variant, ...]:
        """The ways to ask, the reference first, each for one image."""
        return self.question.variants(replace(self.base, batch_size=1, batches=1, seed=None))

    def cells(self) -> tuple[Cell, ...]:
        """Variant by variant within each seed: a stopped experiment has whole pairs."""
        variants = self.variants()
        made: list[Cell] = []
        for seed in self.paired_seeds:
            for number, variant in enumerate(variants):
                row, column = self._labels(variant, seed)
                made.append(
                    Cell(
                        place=len(made),
                        variant=number,
                        label=variant.label,
                        seed=seed,
                        row=row,
                        column=column,
                        request=replace(variant.request, seed=seed),
                    )
                )
        return tuple(made)

    def _labels(self, variant: Variant, seed: int) -> tuple[Note, Note]:
        """Row and column of the labelled grid: seeds side by side, but a grid's X axis when it has several."""
        if isinstance(self.question, Grid) and variant.factors and self.question.axes[0].field != "seed":
            first, *others = (level_of(*factor) for factor in variant.factors)
            if len(self.paired_seeds) > 1:
                others.append(Note("lab_seed", seed=seed))
            return beside(others), first
        return variant.label, Note("lab_seed", seed=seed)

    def to_json(self, inputs: InputStore) -> str:
        """One line; the base request's pictures go into `inputs`."""
        data = {
            "schema": SCHEMA,
            "name": self.name,
            "base": request_to_json(self.base, inputs),
            "seeds": list(self.seeds),
            "question": question_to_json(self.question),
        }
        return json.dumps(data, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, inputs: InputStore) -> Experiment:
        """Raises InvalidRequest, or StorageError without its pictures."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest("experiment", "not_json", value=text[:40]) from error
        if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
            raise InvalidRequest("experiment", "lab_schema", schema=SCHEMA, value=text[:40])
        return cls.from_data(data, request_from_json(_object(data, "base"), inputs))

    @classmethod
    def from_data(cls, data: Mapping[str, Any], base: GenerationRequest) -> Experiment:
        """From plain values. Raises InvalidRequest."""
        seeds = data.get("seeds")
        if not isinstance(seeds, list):
            raise InvalidRequest("seeds", "list_wanted", value=shown(seeds))
        name = data.get("name")
        if not isinstance(name, str):
            raise InvalidRequest("name", "text_wanted", value=shown(name))
        return cls(name=name, base=base, seeds=tuple(seeds), question=question_from_json(_object(data, "question")))


def _object(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    if not isinstance(value, Mapping):
        raise InvalidRequest(name, "wrong_type", wanted=Note("type_dict"), value=shown(value))
    return value


# Version 0.1.0 wrote these into what it noted of a picture, also at their defaults. It never changes: what is new is
# left out at its default, so that a picture made before there was such a field is still found.
ALWAYS: Mapping[type, frozenset[str]] = {
    GenerationRequest: frozenset(
        {
            *("prompt", "negative_prompt", "steps", "sampler", "schedule", "guidance", "seed", "width", "height"),
            *("model", "clip_skip", "dialect", "batch_size", "batches", "vae"),
        }
    ),
    InitImage: frozenset({"image", "strength", "resize_mode"}),
    Inpaint: frozenset({"mask", "invert", "mask_blur", "mask_grow", "only_masked", "padding", "masked_content"}),
}


def canonical(data: Mapping[str, Any]) -> str:
    """A request's JSON in the one form that is compared: sorted, 7 the same as 7.0, and null, an empty list and the
    default of a field that 0.1.0 had not as if they were absent."""
    return json.dumps(_levelled(GenerationRequest, data), ensure_ascii=False, sort_keys=True)


def _levelled(of: type, data: Mapping[str, Any]) -> dict[str, Any]:
    always, groups = ALWAYS.get(of, frozenset()), groups_of(of)
    defaults = {one.attribute: one.default for one in fields_of(of) if not one.group and one.attribute not in always}
    found: dict[str, Any] = {}
    for key, value in data.items():
        if value is None or value == [] or (key in defaults and value == defaults[key]):
            continue
        group = groups.get(key)
        inner = of if group is None else group.of
        if group is not None and group.many and isinstance(value, list):
            found[key] = [_levelled(inner, item) for item in value]
        elif isinstance(value, Mapping):
            found[key] = _levelled(inner, value)
        else:
            found[key] = float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return found
