"""The table of an experiment: how far each variant is from the reference at the same seed, held to the noise floor."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import Note
from webui.lab.questions import Factor, Variant
from webui.proof.measures import DISTANCES, TRAITS, WINDOW, Distance, Pixels, bootstrap

Table = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Number:
    """A mean over seeds with its 95 % interval; no interval from fewer than two seeds."""

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """One row. `distances`: how far from the reference. `against_floor`: the same, in distances between two seeds of
    the reference. `traits`: this minus the reference at the same seed."""

    group: Note | None  # None for a variant, else the factor
    label: Note
    seeds: int  # pairs it rests on
    distances: Mapping[str, Number] = field(default_factory=dict)
    against_floor: Mapping[str, Number] = field(default_factory=dict)
    traits: Mapping[str, Number] = field(default_factory=dict)

    @property
    def full_label(self) -> Note:
        """With its factor, where it has one."""
        return self.label if self.group is None else Note("lab_of_factor", factor=self.group, level=self.label)


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """What an experiment found. `floor`: same prompt, other seed."""

    reference: Note
    cells: int
    measured: int  # cells that were there to be measured
    floor: Mapping[str, Number]
    effects: tuple[Effect, ...]
    setups: tuple[str, ...] = ()  # more than one: the cells were not all made on the same machine and versions
    encoder: str = ""  # the CLIP vision model that counted, by name

    def strongest(self, metric: str = "ms_ssim") -> Effect | None:
        """The variant that moves the picture most."""
        found = [effect for effect in self.effects if effect.group is None and metric in effect.distances]
        return max(found, key=lambda effect: effect.distances[metric].mean, default=None)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The distances: those of all pictures, and what else was counted."""
        counted = (name for effect in self.effects for name in effect.distances)
        return tuple(dict.fromkeys([*DISTANCES, *counted]))

    def to_json(self) -> str:
        effects = [
            asdict(effect) | {"group": effect.group and effect.group.to_json(), "label": effect.label.to_json()}
            for effect in self.effects
        ]
        data = asdict(self) | {"reference": self.reference.to_json(), "effects": effects}
        return json.dumps(data, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Labels of version 0.1.0 are texts in English, and stay so."""
        data = json.loads(text)
        effects = tuple(
            Effect(
                group=Note.from_json(item["group"]) if item["group"] else None,
                label=Note.from_json(item["label"]),
                seeds=item["seeds"],
                distances=_numbers(item["distances"]),
                against_floor=_numbers(item["against_floor"]),
                traits=_numbers(item["traits"]),
            )
            for item in data["effects"]
        )
        return cls(
            reference=Note.from_json(data["reference"]),
            cells=data["cells"],
            measured=data["measured"],
            floor=_numbers(data["floor"]),
            effects=effects,
            setups=tuple(data["setups"]),
            encoder=data.get("encoder", ""),  # results of earlier versions have none
        )


def _numbers(data: Mapping[str, Any]) -> dict[str, Number]:
    return {name: Number(**value) for name, value in data.items()}


@dataclass(slots=True)
class Measured:
    """Fed seed by seed, so that only one seed's pictures and the references are in memory at a time."""

    variants: Sequence[Variant]
    seeds: int
    ways: Mapping[str, Distance] = field(default_factory=lambda: DISTANCES)  # to hold two pictures to each other
    distances: dict[str, Table] = field(init=False)  # (variants, seeds), NaN where a picture lacks
    traits: dict[str, Table] = field(init=False)
    floor: dict[str, Table] = field(init=False)  # (seeds, seeds): the reference at two seeds
    count: int = 0
    _references: dict[int, Pixels] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.variants), self.seeds)
        self.distances = {name: np.full(shape, math.nan) for name in self.ways}
        self.traits = {name: np.full(shape, math.nan) for name in TRAITS}
        self.floor = {name: np.full((self.seeds, self.seeds), math.nan) for name in self.ways}

    def add_seed(self, place: int, pictures: Mapping[int, Pixels]) -> None:
        """The pictures of one seed: variant -> pixels. The reference is variant 0."""
        self.count += len(pictures)
        for variant, pixels in pictures.items():
            for name, trait in TRAITS.items():
                self.traits[name][variant, place] = trait(pixels)
        reference = pictures.get(0)
        if reference is None:
            return
        for variant, pixels in pictures.items():
            if variant and _comparable(reference, pixels):
                for name, distance in self.ways.items():
                    self.distances[name][variant, place] = distance(reference, pixels)
        for other, earlier in self._references.items():
            if _comparable(reference, earlier):
                for name, distance in self.ways.items():
                    self.floor[name][place, other] = self.floor[name][other, place] = distance(reference, earlier)
        self._references[place] = reference

    def results(self, setups: Sequence[str] = ()) -> Results:
        effects = [self._effect(None, variant.label, [place]) for place, variant in enumerate(self.variants) if place]
        levels: dict[Factor, list[int]] = {}
        for number, variant in enumerate(self.variants):
            for factor in variant.factors if number else ():
                levels.setdefault(factor, []).append(number)
        effects += [self._effect(group, level, numbers) for (group, level), numbers in levels.items()]
        return Results(
            reference=self.variants[0].label,
            cells=len(self.variants) * self.seeds,
            measured=self.count,
            floor={name: floor for name in self.ways if (floor := self._floor_number(name)) is not None},
            effects=tuple(effect for effect in effects if effect.seeds),
            setups=tuple(dict.fromkeys(setups)),
        )

    def _effect(self, group: Note | None, label: Note, numbers: Sequence[int]) -> Effect:
        """Several variants of one level are first averaged within each seed: the seeds are what is independent."""
        paired = {name: _mean_rows(table[numbers]) for name, table in self.distances.items()}
        change = {name: _mean_rows(table[numbers] - table[0]) for name, table in self.traits.items()}
        distances = {name: number for name, values in paired.items() if (number := _number(values)) is not None}
        traits = {name: number for name, values in change.items() if (number := _number(values)) is not None}
        ratios = {name: ratio for name in distances if (ratio := self._ratio(name, paired[name])) is not None}
        pairs = int(np.isfinite(next(iter(change.values()))).sum())
        return Effect(group=group, label=label, seeds=pairs, distances=distances, against_floor=ratios, traits=traits)

    def _floor_number(self, name: str) -> Number | None:
        table = self.floor[name]
        if not np.isfinite(table).any():
            return None
        interval = bootstrap(table, lambda drawn: _floor_means(table, drawn)) if self.seeds > 2 else None
        return _with_interval(float(np.nanmean(table)), interval)

    def _ratio(self, name: str, values: Table) -> Number | None:
        """Mean distance over mean noise floor, both of the same drawn seeds."""
        table = self.floor[name]
        if not np.isfinite(table).any() or not np.isfinite(values).any():
            return None
        floor = float(np.nanmean(table))
        if floor == 0:
            return None  # all seeds give one picture: there is no noise to hold anything to

        def ratio(drawn: NDArray[Any]) -> Table:
            with np.errstate(divide="ignore", invalid="ignore"):
                quotients: Table = _nan_means(values[drawn]) / _floor_means(table, drawn)
            return quotients

        interval = bootstrap(values, ratio) if self.seeds > 2 else None
        return _with_interval(float(np.nanmean(values)) / floor, interval)


def _comparable(first: Pixels, second: Pixels) -> bool:
    return first.shape == second.shape and min(first.shape[:2]) >= WINDOW


def _number(values: Table) -> Number | None:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    return _with_interval(float(known.mean()), bootstrap(known, lambda drawn: known[drawn].mean(axis=1)))


def _with_interval(mean: float, interval: tuple[float, float] | None) -> Number:
    return Number(mean=mean) if interval is None else Number(mean=mean, low=interval[0], high=interval[1])


def _nan_means(table: Table) -> Table:
    """Mean of each row without its NaNs; NaN for a row of them, without numpy's warning."""
    known = np.isfinite(table)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Table = np.where(known, table, 0).sum(axis=1) / known.sum(axis=1)
    return means


def _mean_rows(table: Table) -> Table:
    """Mean over variants for each seed, (seeds,)."""
    return _nan_means(table.T)


def _floor_means(table: Table, drawn: NDArray[Any]) -> Table:
    """Mean noise floor of each draw of seeds: all pairs of different seeds in it; NaN for a one seed. (draws,)"""
    counts = np.zeros((len(drawn), len(table)))
    np.add.at(counts, (np.arange(len(drawn))[:, None], drawn), 1)
    known = np.isfinite(table)
    total = ((counts @ np.where(known, table, 0)) * counts).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Table = total / ((counts @ known.astype(float)) * counts).sum(axis=1)
    return means
