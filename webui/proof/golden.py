"""The golden set: a few small pictures of each model, kept with the data, that show what an upgrade changes.

They are saved like all others, so `verify` makes them again from their own files and nothing here compares anything.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw

from pipelines.engine import Engine
from pipelines.errors import InvalidRequest
from pipelines.groups import InitImage, Inpaint
from pipelines.kinds import several, shown
from pipelines.types import GenerationRequest, ModelInfo
from webui.archive.inputs import INPUTS
from webui.archive.store import ImageStore
from webui.proof import sweep

FOLDER = "golden"  # below the data folder
SIDE = 256  # pixels, at most: what is compared is arithmetic, not beauty
PROMPT = "a (red:1.2) star on a blue background"
PLAIN = "a red star on a blue background"
NEGATIVE = "blurry"
SEED = 20260101


def requests(model: ModelInfo) -> Iterator[GenerationRequest]:
    """One of each tab, four kinds of sampler, a batch of two: six steps each. A model that takes one sampler alone
    takes plain text alone, too."""
    side = max(64, min(SIDE, model.native_size) // 64 * 64)
    plain = GenerationRequest(
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        model=model.name,
        sampler="DPM++ 2M",
        schedule="karras",
        steps=6,
        guidance=model.guidance,
        width=side,
        height=side,
        seed=SEED,
    )
    picture, mask = _picture(side), Image.new("L", (side, side), 0)
    ImageDraw.Draw(mask).ellipse((side // 4, side // 4, side * 3 // 4, side * 3 // 4), fill=255)
    samplers = ("Euler a", "DDIM", "UniPC")
    if model.sampler is not None:
        plain = replace(plain, prompt=PLAIN, negative_prompt="", sampler=model.sampler, schedule="automatic")
        samplers = (model.sampler,) * 3
    yield plain
    many, changed, painted = (replace(plain, sampler=name, schedule="automatic") for name in samplers)
    yield replace(many, batch_size=2)
    yield replace(changed, init=InitImage(image=picture, strength=0.7))
    yield replace(painted, init=InitImage(image=picture, strength=1.0), inpaint=Inpaint(mask=mask))


def _picture(side: int) -> Image.Image:
    across = Image.linear_gradient("L").resize((side, side))
    return Image.merge("RGB", (across, across.rotate(90), across.rotate(180)))


_NEW, _BEFORE = ".new", ".old"  # sets on their way in and out


def make(engine: Engine, root: Path, names: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Makes the sets of these models, of all that can be loaded when none is named; (model, pictures) for each. A set
    made before goes only when the new one is whole. Raises InvalidRequest and what the engine raises."""
    for model in _chosen(engine, list(names)):
        place = root / slug(model.name)
        fresh = place.with_name(f"{place.name}{_NEW}")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        store, count = ImageStore(fresh), 0
        for request in requests(model):
            for batch in request.batches_from(SEED):
                for result in engine.generate(batch, lambda _: None):
                    store.save(result)
                    count += 1
        before = place.with_name(f"{place.name}{_BEFORE}")
        if place.exists():
            shutil.rmtree(before, ignore_errors=True)
            place.rename(before)
        fresh.rename(place)
        shutil.rmtree(before, ignore_errors=True)
        yield model.name, count


def _chosen(engine: Engine, names: list[str]) -> list[ModelInfo]:
    known = {model.name: model for model in engine.models()}
    for name in names:
        if name not in known:
            raise InvalidRequest("model", "choice", choices=several(tuple(known)), value=shown(name))
        if (problem := known[name].problem) is not None:
            raise InvalidRequest("model", problem.code, **problem.values)
    return [model for model in known.values() if (model.name in names if names else model.problem is None)]


def folders(root: Path, names: Iterable[str] = ()) -> list[Path]:
    """The sets there are, of these models or of all; where one was killed on its way in, the set from before. Raises
    InvalidRequest when there is none."""
    wanted = {slug(name) for name in names}
    there = set(root.iterdir()) if root.is_dir() else set()
    whole = [place for place in there if not place.suffix]
    whole += [place for place in there if place.suffix == _BEFORE and place.with_suffix("") not in there]
    found = sorted(place for place in whole if not wanted or place.stem in wanted)
    if not found:
        raise InvalidRequest("against", "no_golden_set")
    return found


def files(folder: Path) -> tuple[Path, list[Path]]:
    """Where a set's input pictures are, and its pictures."""
    return folder / INPUTS, sweep.files_in([folder])


def slug(name: str) -> str:
    """A model's name as a folder: two models never share one."""
    plain = re.sub(r"[^\w-]+", "_", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
