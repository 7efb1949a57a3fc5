"""The IP-Adapters and image encoders that a request names for its reference pictures. No torch, no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipelines import families
from pipelines.errors import InvalidRequest, ModelError, Note
from pipelines.fields import there
from pipelines.kinds import several, shown
from pipelines.leading import AUTOMATIC, Reference
from pipelines.models.listing import IMAGE_ENCODER, REFERENCE, Listing, is_reference
from pipelines.types import GenerationRequest, ModelInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class Referred:
    """What one reference picture is looked at with."""

    adapter: ModelInfo
    encoder: ModelInfo


def named(listing: Listing, request: GenerationRequest) -> GenerationRequest:
    """With the first files that fit where it names none. Raises `InvalidRequest` where there are none."""
    asked = there(request, Reference)
    if not any(AUTOMATIC in (one.model, one.encoder) for one in asked.values()):
        return request
    try:
        family = listing.find(request.model).family
    except ModelError:
        return request  # said when it is checked
    found = _found(listing, request, None if family == "unknown" else family)
    told = {
        slot: replace(one, model=found[slot].adapter.name, encoder=found[slot].encoder.name)
        for slot, one in asked.items()
    }
    return replace(request, **told)  # type: ignore[arg-type]


def check(listing: Listing, request: GenerationRequest, family: str | None) -> None:
    """What can be known before the request is queued; `family`: of its model, None where only converting tells it.
    Raises `InvalidRequest`."""
    _found(listing, request, family)


def resolve(listing: Listing, request: GenerationRequest, family: str) -> Mapping[str, Referred]:
    """The request's attribute -> its files, for a model of `family`. Raises `InvalidRequest`."""
    return _found(listing, request, family)


def _found(listing: Listing, request: GenerationRequest, family: str | None) -> dict[str, Referred]:
    found: dict[str, Referred] = {}
    for slot, one in there(request, Reference).items():
        encoder = _named(listing, f"{slot}_encoder", one.encoder, listing.image_encoders())
        adapter = _adapter(listing, f"{slot}_model", one.model, family)
        found[slot] = Referred(adapter=adapter, encoder=_fitting(listing, f"{slot}_encoder", encoder, adapter))
    return found


def _adapter(listing: Listing, field: str, name: str, family: str | None) -> ModelInfo:
    known = listing.references()
    info = _named(listing, field, name, known)
    if info is None:
        return _first(listing, field, known, family)
    if family is not None and info.family not in (family, "unknown"):
        kind, wanted, theirs = Note(f"noun_{REFERENCE}"), families.called(family), families.called(info.family)
        raise InvalidRequest(field, "file_family", name=info.name, kind=kind, family=wanted, theirs=theirs)
    return info


_USUAL = ("", "plus", "full face")  # variants, the most general first


def _first(listing: Listing, field: str, known: Sequence[ModelInfo], family: str | None) -> ModelInfo:
    """Of those that fit: one that an encoder is there for, and whose file tells its family."""
    if family is None:
        raise InvalidRequest(field, "reference_which")
    there = {one for encoder in listing.image_encoders() for one in encoder.seen}
    fitting = [one for one in known if one.family in (family, "unknown")]
    if not fitting:
        raise InvalidRequest(field, "reference_none", family=families.called(family))
    return min(fitting, key=lambda one: (not there & set(one.seen), one.family == "unknown", _USUAL.index(one.variant)))


def _fitting(listing: Listing, field: str, encoder: ModelInfo | None, adapter: ModelInfo) -> ModelInfo:
    """The encoder that was named, or the first that gives what the adapter reads."""
    wanted = set(adapter.seen)
    width = adapter.seen[0].rpartition(" ")[2]
    if encoder is None:
        fitting = next((one for one in listing.image_encoders() if wanted & set(one.seen)), None)
        if fitting is None:
            raise InvalidRequest(field, "encoder_none", name=adapter.name, width=width)
        return fitting
    if not wanted & set(encoder.seen):
        raise InvalidRequest(field, "encoder_other", name=encoder.name, adapter=adapter.name, width=width)
    return encoder


def _named(listing: Listing, field: str, name: str, known: Sequence[ModelInfo]) -> ModelInfo | None:
    """None: it is left to the program."""
    if name == AUTOMATIC:
        return None
    if (info := next((one for one in known if one.name == name), None)) is not None:
        return info
    other = next((one for one in listing.everything() if one.name == name), None)
    if other is not None and other.kind == REFERENCE and not is_reference(other):
        raise InvalidRequest(field, "reference_kind", name=name, variant=other.variant or other.family)
    if other is not None and other.kind == IMAGE_ENCODER and other.problem is not None:
        raise InvalidRequest(field, "encoder_broken", name=name, problem=other.problem)
    raise InvalidRequest(field, "choice", choices=several((AUTOMATIC, *(one.name for one in known))), value=shown(name))
