"""Files beside a model, as the dropdowns offer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines import families
from pipelines.details import BY_HAND
from pipelines.groups import NO_REFINER
from pipelines.leading import AUTOMATIC
from pipelines.types import ModelInfo
from pipelines.upscaling.plain import OF_LATENTS
from webui.jobs.maps import REFERENCES, SLOTS
from webui.ui.generate import reference_form
from webui.ui.generate.control_form import with_known
from webui.ui.generate.controls import choice_label
from webui.ui.labels import word


def vae_choices(adapters: tuple[ModelInfo, ...]) -> list[tuple[Any, str]]:
    """(shown, name): the model's own, and every VAE in the models folder."""
    own: list[tuple[Any, str]] = [(word("vae_automatic"), "automatic")]
    return own + [
        (f"{one.name} · {one.family}" if one.family != "unknown" else one.name, one.name)
        for one in adapters
        if one.kind == "vae"  # a broken file is of no kind
    ]


def upscaler_choices(upscalers: tuple[str, ...]) -> list[tuple[Any, str]]:
    """(shown, name) of what may make the first picture of two larger: `upscalers` are those of pixels."""
    return [(choice_label("hires_upscaler", name), name) for name in (*OF_LATENTS, *upscalers)]


def refiner_choices(refiners: Sequence[ModelInfo]) -> list[tuple[Any, str]]:
    """(shown, name) of the models that may run the last steps."""
    names = [NO_REFINER, *(one.name for one in refiners)]
    return [(choice_label("refiner_model", name), name) for name in names]


def with_refiner(fields: Mapping[str, Any], models: Sequence[ModelInfo]) -> dict[str, Any]:
    """A form's fields, without a refiner that is not there."""
    names = {one.name for one in families.refiners(models)}
    gone = "refiner_model" in fields and fields["refiner_model"] not in names
    return {**fields, **({"refiner_model": NO_REFINER} if gone else {})}


def detector_choices(detectors: tuple[str, ...]) -> list[tuple[Any, str]]:
    """(shown, name) of what may find details: nobody, and every detector in the models folder."""
    return [(choice_label("detail_detector", name), name) for name in (BY_HAND, *detectors)]


@dataclass(frozen=True, kw_only=True)
class Files:
    """What lies in the models folders beside models, as the form offers it."""

    adapters: tuple[ModelInfo, ...]
    upscalers: tuple[str, ...]
    refiners: tuple[ModelInfo, ...]
    controls: tuple[ModelInfo, ...]
    detectors: tuple[str, ...] = ()
    references: tuple[ModelInfo, ...] = ()
    encoders: tuple[ModelInfo, ...] = ()

    @property
    def looking(self) -> dict[str, tuple[ModelInfo, ...]]:
        """By the field of a reference picture that names one."""
        return dict(zip(reference_form.FILES, (self.references, self.encoders), strict=True))

    def known(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The same fields, with what the form begins with for each file that is not here, as far as they name one."""
        return reference_form.with_known(with_known(with_refiner(fields, self.refiners), self.controls), self.looking)

    def missing(self, fields: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The files that `fields` name and that are not here: what each is to the picture, and its name."""
        here = {"hires_upscaler": ("upscaler", {*OF_LATENTS, *self.upscalers})}
        if not fields.get("detail_boxes"):
            here["detail_detector"] = ("detector", {BY_HAND, *self.detectors})
        here |= {f"{slot}_model": ("control", {one.name for one in self.controls}) for slot in SLOTS}
        for role, (name, files) in zip(("reference", "encoder"), self.looking.items(), strict=True):
            here |= {f"{slot}_{name}": (role, {AUTOMATIC, *(one.name for one in files)}) for slot in REFERENCES}
        gone = {field: (role, str(fields.get(field))) for field, (role, names) in here.items() if field in fields}
        return list(dict.fromkeys(one for field, one in gone.items() if one[1] not in here[field][1]))
