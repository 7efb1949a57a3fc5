"""The ControlNets that a request names, and whether its maps suit the picture. No torch, no weights."""

from __future__ import annotations

from pipelines import families
from pipelines.errors import InvalidRequest, Note
from pipelines.fields import there
from pipelines.kinds import several, shown
from pipelines.leading import Control
from pipelines.models import conversion
from pipelines.models.listing import Listing, is_control
from pipelines.types import GenerationRequest, ModelInfo

CUT_OFF = 0.02  # share of a map that may be lost when it is brought to the picture's size


def check(listing: Listing, request: GenerationRequest, family: str | None) -> None:
    """What can be known before the request is queued; `family`: of its model, None where only converting tells it.
    Raises `InvalidRequest`."""
    for slot, control in there(request, Control).items():
        info = _find(listing, slot, control.model)
        if info.layout != "pickle":
            _check_family(info, slot, family)
        _check_shape(slot, control, request)


def resolve(listing: Listing, request: GenerationRequest, family: str) -> dict[str, ModelInfo]:
    """The request's attribute -> its network, for a model of `family`; old pickles among them are converted now.
    Raises `InvalidRequest`, `ModelError` for a pickle that was refused."""
    found: dict[str, ModelInfo] = {}
    for slot, control in there(request, Control).items():
        info = _find(listing, slot, control.model)
        if info.layout == "pickle":
            conversion.loadable(info)
            info = _find(listing, slot, control.model)  # as it is known now
        _check_family(info, slot, family)
        found[slot] = info
    return found


def _find(listing: Listing, slot: str, name: str) -> ModelInfo:
    field, known = f"{slot}_model", listing.controls()
    if (info := next((one for one in known if one.name == name), None)) is not None:
        return info
    other = next((one for one in listing.everything() if one.name == name), None)
    if other is not None and other.kind == "controlnet" and not is_control(other):
        raise InvalidRequest(field, "control_kind", name=name, variant=other.variant or other.family)
    raise InvalidRequest(field, "choice", choices=several([one.name for one in known]), value=shown(name))


def _check_family(info: ModelInfo, slot: str, family: str | None) -> None:
    if family is None or info.family in (family, "unknown"):
        return
    wanted, theirs = families.called(family), families.called(info.family)
    kind = Note("noun_controlnet")
    raise InvalidRequest(f"{slot}_model", "file_family", name=info.name, kind=kind, family=wanted, theirs=theirs)


def _check_shape(slot: str, control: Control, request: GenerationRequest) -> None:
    from pipelines import images  # needs PIL, which a list of models does without

    size = request.width, request.height
    if request.init is not None and request.inpaint is not None and request.inpaint.only_masked:
        size = request.init.image.size  # of which only a part is worked on
    if images.cut_off(control.map.size, size) > CUT_OFF:
        wanted, value = ("{} × {}".format(*one) for one in (size, control.map.size))
        raise InvalidRequest(f"{slot}_map", "map_shape", wanted=wanted, value=value)
