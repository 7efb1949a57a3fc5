"""The model that runs a picture's last steps, and whether it can follow the first. No torch, no weights."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines import families
from pipelines.errors import InvalidRequest
from pipelines.groups import NO_REFINER
from pipelines.kinds import several, shown
from pipelines.models.listing import Listing
from pipelines.types import GenerationRequest, ModelInfo


def check(listing: Listing, request: GenerationRequest, family: str | None) -> None:
    """What can be known before the request is queued; `family`: of its model, None where only converting tells it.
    Raises `InvalidRequest`."""
    if request.refiner is None:
        return
    name, models = request.refiner.model, listing.usable()
    other = next((one for one in models if one.name == name), None)
    if other is None and name != NO_REFINER:
        raise _missing(models, name, request.model)
    if family is not None and not families.of(family).refined_by:
        names = tuple(one.title for one in families.ALL.values() if one.refined_by)
        raise InvalidRequest("refiner", "refiner_base", names=names, family=families.called(family))
    if other is None:
        raise InvalidRequest("refiner_model", "refiner_needed")
    if name == request.model:
        raise InvalidRequest("refiner_model", "refiner_same", name=name)
    if other.kind != "checkpoint":
        raise InvalidRequest("refiner_model", "refiner_not_read", name=name)
    if other not in families.refiners(models):
        raise InvalidRequest("refiner_model", "refiner_family", name=name, theirs=families.called(other.family))


def _missing(models: Sequence[ModelInfo], name: str, first: str) -> InvalidRequest:
    known = [one.name for one in families.refiners(models) if one.name != first]
    if not known:
        return InvalidRequest("refiner_model", "refiner_none_here", name=shown(name))
    return InvalidRequest("refiner_model", "choice", choices=several(known), value=shown(name))
