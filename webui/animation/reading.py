"""The YAML file of an animation: docs/animation.md says what stands in it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.errors import InvalidRequest, SeedprintError
from pipelines.fields import switch_of
from pipelines.kinds import shown, text
from pipelines.types import REQUEST_FIELDS, GenerationRequest
from webui.animation.motion import MOTION
from webui.animation.plan import (
    COMPEL,
    FRAMES_LIMIT,
    KEYED,
    KINDS,
    PROMPTS,
    RATE,
    SETTINGS,
    SOFT,
    STRENGTH,
    Animation,
    Track,
)
from webui.jobs.defaults import begun_with, model_of
from webui.jobs.service import GenerationService
from webui.jobs.sizes import size_for
from webui.library.files import parsed, read_yaml

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURE = "init_image"  # a file, from where the YAML file lies; a text of the page has none
HEAD = ("name", "frames", "fps", "seed_step")
_TRACKS = (*MOTION, STRENGTH)  # also those of one value
_GROUPS = {one.name: one.group for one in REQUEST_FIELDS}


def read(file: Path) -> Mapping[str, Any]:
    """What the file holds, by key. Raises LibraryError, InvalidRequest."""
    return _mapping(read_yaml(file)[0])


def read_text(text: str) -> Mapping[str, Any]:
    """Likewise what would stand in one."""
    return _mapping(parsed(Path("animation.yaml"), text)[0])


def _mapping(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise InvalidRequest("animation", "animation_mapping", value=shown(data))
    return data


def title(text: str) -> str:
    """What one is called: its name, else the prompt that it begins with."""
    try:
        data = read_text(text)
    except SeedprintError:
        return text
    prompt = data.get("prompt", "")
    first = next(iter(prompt.values()), "") if isinstance(prompt, Mapping) else prompt
    return str(data.get("name") or first or text)


def animation_of(data: Mapping[str, Any], service: GenerationService, picture: Image | None = None) -> Animation:
    """What is left out is as a new form of the page has it, and its size as suits the picture. Raises
    InvalidRequest."""
    model = model_of(service.models(), data.get("model"))
    begun = begun_with(model, data, service.shelf.settings)
    if picture is not None:
        begun |= dict(zip(("width", "height"), size_for(picture.size, model), strict=True))
    return animation(data, begun, picture)


def animation(data: Mapping[str, Any], begun: Mapping[str, Any], picture: Image | None = None) -> Animation:
    """`begun`: the fields that a new form begins with, where `data` says nothing. Raises InvalidRequest."""
    known = (*HEAD, *SETTINGS, *_TRACKS)
    for key in data:
        if key not in known:
            nearest = tuple(difflib.get_close_matches(str(key), known, n=3, cutoff=0.5))
            raise InvalidRequest("animation", "animation_key", value=shown(key), nearest=nearest or HEAD)
    tracks = {name: _track(name, keys) for name, keys in _keyed(data)}
    settings = {name: value for name, value in data.items() if name not in HEAD and name not in tracks}
    for name, value in settings.items():
        _check(name, value)
    _check_switches([*settings, *tracks], settings)
    if picture is not None or any(name in tracks for name in MOTION):
        tracks.setdefault(STRENGTH, Track(((0, SOFT),)))
    if settings.get("dialect", COMPEL) != COMPEL and any(name in tracks and tracks[name].moves for name in PROMPTS):
        raise InvalidRequest("dialect", "walk_dialect", value=settings["dialect"])
    tracks.setdefault("seed", Track(((0, settings.get("seed", 0)),)))
    name = data.get("name", "")
    text().check("name", name)
    return Animation(
        settings={**begun, **settings},
        tracks=tracks,
        frames=_frames(data, tracks),
        picture=picture,
        name=name,
        rate=data.get("fps", RATE),
        seed_step=data.get("seed_step", 0),
    )


def _keyed(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    for name, value in data.items():
        if name not in HEAD and isinstance(value, Mapping):
            yield name, value
        elif name in _TRACKS:
            yield name, {0: value}


def _frames(data: Mapping[str, Any], tracks: Mapping[str, Track]) -> Any:
    """As many as it says, or up to the last keyframe."""
    last = max(track.last for track in tracks.values())
    if "frames" not in data and last == 0:
        raise InvalidRequest("frames", "frames_wanted")
    frames = data.get("frames", last + 1)
    if isinstance(frames, int) and last >= frames:
        raise InvalidRequest("frames", "frames_keyframe", last=last, value=frames)
    return frames


def _track(name: str, keys: Mapping[Any, Any]) -> Track:
    if name not in KEYED:
        raise InvalidRequest(name, "keyframes_not")
    if not keys:
        raise InvalidRequest(name, "keyframes_none")
    for frame in keys:
        if isinstance(frame, bool) or not isinstance(frame, int) or not 0 <= frame < FRAMES_LIMIT:
            raise InvalidRequest(name, "keyframe_number", high=FRAMES_LIMIT - 1, value=shown(frame))
    for value in keys.values():
        _check(name, value)
    return Track(tuple(sorted(keys.items())))


def _check(name: str, value: Any) -> None:
    """A seed that is drawn would be another animation each time. Raises InvalidRequest."""
    KINDS[name].check(name, value)


def _check_switches(given: Iterable[str], settings: Mapping[str, Any]) -> None:
    """What is said of a group that is switched off would count nothing. Raises InvalidRequest."""
    for name in given:
        switch = switch_of(GenerationRequest, _GROUPS.get(name, ""))
        if switch is not None and name != switch.name and not settings.get(switch.name):
            raise InvalidRequest(switch.name, "animation_switch", key=name, needed=switch.name)
