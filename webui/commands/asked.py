"""From what was typed to a request: the command line's one adapter."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.errors import InvalidRequest
from pipelines.fields import REQUIRED, build, switch_of
from pipelines.kinds import shown
from pipelines.types import REQUEST_FIELDS, GenerationRequest
from webui.jobs.defaults import begun_with, model_of
from webui.jobs.maps import PICTURES, with_maps
from webui.jobs.outpainting import extended, sides_in
from webui.jobs.several import Start, starts
from webui.jobs.sizes import size_for

if TYPE_CHECKING:
    from PIL.Image import Image

    from webui.archive.inputs import InputStore
    from webui.parts import Parts

# what a group cannot be without
_PICTURE_OF = {one.group: one.name for one in REQUEST_FIELDS if one.is_picture and one.default is REQUIRED}


def requests_of(options: argparse.Namespace, parts: Parts) -> Iterator[GenerationRequest]:
    """One for each picture of the folder that `--init-image` names, else the one; made as they are asked for. Raises
    what `request_of` raises."""
    for start in starts_in(options.init_image, options.mask):
        yield request_of(argparse.Namespace(**{**vars(options), **start}), parts)


def starts_in(init_image: Path | None, mask: Path | None) -> list[Start]:
    """Of a folder each picture, with the mask of its name where those are a folder too; of anything else nothing that
    was not typed. Raises InvalidRequest."""
    from webui.proof.sweep import files_in

    if init_image is None or not init_image.is_dir():
        return [{}]
    files = {file: file.relative_to(init_image).with_suffix("") for file in files_in([init_image])}
    if mask is None or not mask.is_dir():
        return starts(files)
    return starts(files, {file.relative_to(mask).with_suffix(""): file for file in files_in([mask])})


def request_of(options: argparse.Namespace, parts: Parts) -> GenerationRequest:
    """Options, over the preset's fields, over what a new form of the page begins with. Raises InvalidRequest,
    UnreadableImage."""
    typed = {name: value for name, value in vars(options).items() if value is not None}
    given = {one.name: typed[one.name] for one in REQUEST_FIELDS if one.name in typed}
    pictures = _pictures(given, parts.store.inputs, outpaint=typed.get("outpaint"))
    wanted = _preset_fields(parts, typed) | {name: value for name, value in given.items() if name != "prompt"}
    model = model_of(parts.service.models(), wanted.get("model"))
    begun = begun_with(model, wanted, parts.service.shelf.settings)
    if "outpaint" in typed:
        sides = sides_in(typed["outpaint"], pictures["init_image"].size)
        larger, mask = extended(pictures["init_image"], sides, typed["outpaint_fill"])
        pictures |= {"init_image": larger, "mask": mask}
        begun |= dict(zip(("width", "height"), size_for(larger.size, model), strict=True))
    values = begun | wanted | pictures
    _check_switches(given, values)
    values |= with_maps(pictures, values)
    return build(GenerationRequest, values | ({"seed": None} if values["seed"] == -1 else {}))


def _check_switches(given: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """What is typed of a group that is switched off would count nothing. Raises InvalidRequest."""
    for one in REQUEST_FIELDS:
        switch = switch_of(GenerationRequest, one.group)
        if one.name in given and one is not switch and switch is not None and not values.get(switch.name):
            raise InvalidRequest(switch.name, "option_needs", option=one.option, needed=switch.option)


def _pictures(given: Mapping[str, Any], inputs: InputStore, *, outpaint: str | None = None) -> dict[str, Image]:
    """The pictures of the files that were named. Raises InvalidRequest, also for an option that wants one.
    `outpaint`: what was typed of that, which wants a picture and makes its mask."""
    from webui.archive import metadata, pictures

    known = {one.name: one for one in REQUEST_FIELDS}
    made = {"mask"} if outpaint is not None else set[str]()
    if outpaint is not None and "init_image" not in given:
        raise InvalidRequest("init_image", "option_needs", option="outpaint", needed=known["init_image"].option)
    if made & given.keys():
        raise InvalidRequest("mask", "outpaint_mask")
    for name in given:
        group = known[name].group
        wanted = [_PICTURE_OF[group]] if group in _PICTURE_OF else []
        for picture in [*wanted, *(["init_image"] if group == "inpaint" else [])]:
            if picture not in {*given, *made}:
                needed, option = known[picture].option, known[name].option
                raise InvalidRequest(picture, "option_needs", option=option, needed=needed)
    found: dict[str, Image] = {}
    for one in REQUEST_FIELDS:
        if one.is_picture and one.name in given:
            file = existing(given[one.name], one.name)
            if one.group in PICTURES:
                found[one.name] = pictures.read(file)
            else:
                found[one.name] = pictures.read_mask(file) if one.name == "mask" else metadata.read_input(file, inputs)
    return found


def _preset_fields(parts: Parts, given: dict[str, Any]) -> dict[str, Any]:
    name = given.get("preset")
    if name is None:
        return {"prompt": given["prompt"]}
    known = (*parts.presets, *parts.library.styles)
    chosen = next((preset for preset in known if name in (preset.name, preset.name_zh)), None)
    if chosen is None:
        names = [preset.name for preset in known]
        nearest = tuple(difflib.get_close_matches(name, names, n=3, cutoff=0))
        raise InvalidRequest("preset", "preset_not_there", value=shown(name), nearest=nearest, count=len(names))
    return {"prompt": given["prompt"]} | chosen.apply(given["prompt"], given.get("negative_prompt", ""))


def existing(path: Path, field: str) -> Path:
    if not path.is_file():
        raise InvalidRequest(field, "file_wanted", value=str(path))
    return path
