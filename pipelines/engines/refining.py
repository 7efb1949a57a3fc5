"""The last steps of a picture by a second model: what it is handed, and how both share the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from pipelines.engines.ladder import free_memory
from pipelines.engines.modifiers.base import Modifier
from pipelines.engines.passes import Outcome, Pass, Run, size_of_pass
from pipelines.engines.starting import Maker, Start
from pipelines.engines.work import Work
from pipelines.models.memory import Ways
from pipelines.models.resident import Resident
from pipelines.models.weights.arranging import clear
from pipelines.models.weights.components import Components
from pipelines.types import GenerationRequest

REFINER = "refiner"  # the pass


def handed_over(maker: Maker, before: Outcome | None) -> Start:
    """The `start` of the second model's steps: the latents as they are, and each image's generator where it was. What
    is laid back outside of a mask is drawn once more, as the first model's was."""
    if before is None or before.latents is None:
        raise ValueError("a refiner needs the latents of the model before")
    kept = maker.make().modifiers if maker.request.inpaint is not None else ()
    for generator, state in zip(maker.generators, before.states, strict=True):
        generator.set_state(state)
    return Start(latents=before.latents.to(maker.parts.like), modifiers=kept, canvas=before.canvas)


def loaded(work: Work, *, anew: bool = False) -> Resident | None:
    """The refiner that the request names. Raises `InvalidRequest`, `ModelError`."""
    request = work.batch.request
    if request.refiner is None:
        return None
    model = work.beside(request.refiner.model, anew)
    assert isinstance(model, Resident)
    return model


def with_refiner(work: Work, model: Resident, passes: Sequence[Pass], vae: Any) -> tuple[Pass, ...]:
    """The passes, that of the refiner by this model. Raises `InvalidRequest`, `MemoryError`."""
    return tuple(refining(work, model, one, vae) if one.name == REFINER else one for one in passes)


def refining(work: Work, model: Resident, last: Pass, vae: Any) -> Refining:
    """A picture's last pass, by a refiner and with this VAE. Raises `InvalidRequest`, `MemoryError`."""
    parts = replace(model.parts, vae=vae, give_back=work.replays.drop)
    ways = work.planner.ways(parts, size_of_pass(parts, last, len(work.batch.seeds)))
    if parts.placement.exact:
        ways = replace(ways, singly=True)
    if not model.is_as_read and not (ways.narrow and model.adapters.are(())):
        again = loaded(work, anew=True)  # its weights have been rounded
        assert again is not None
        return refining(work, again, last, vae)
    model.adapters.apply((), ())
    return Refining(inner=last, model=model, parts=parts, ways=ways)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refining:
    """A `Pass` by another model. `parts`: its own, but for the VAE, which is that of the run; of the two models only
    one is on the device."""

    inner: Pass
    model: Resident
    parts: Components
    ways: Ways

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def request(self) -> GenerationRequest:
        return self.inner.request

    @property
    def steps(self) -> int:
        return self.inner.steps

    @property
    def modifiers(self) -> Sequence[Modifier]:
        return self.inner.modifiers

    def make(self, run: Run, before: Outcome | None) -> Outcome:
        _make_way(run.parts)
        spare = run.planner.spare(self.parts, size_of_pass(self.parts, self.inner, len(run.batch.seeds)), self.ways)
        own = replace(run, model=self.model, parts=self.parts, ways=self.ways, spare=spare)
        try:
            made = self.inner.make(own, before)
        finally:
            _make_way(self.parts)
        told = {"memory_plan": list(self.ways.names)} if self.ways.names else {}
        return replace(made, facts={**made.facts, **told})


def _make_way(parts: Components) -> None:
    parts.give_back()
    clear(parts)
    if parts.placement.moves:
        free_memory(parts.placement.device)


def states_of(generators: Sequence[torch.Generator]) -> tuple[torch.Tensor, ...]:
    return tuple(generator.get_state() for generator in generators)
