"""An animation is data: settings that stay, keyframes of those that change, and a request for each of its frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import PIL.Image

from pipelines.errors import InvalidRequest
from pipelines.fields import build
from pipelines.groups import SEED_END, Variation
from pipelines.kinds import Number, Whole, whole
from pipelines.types import REQUEST_FIELDS, GenerationRequest
from webui.animation.motion import MOTION, moved
from webui.process.experiments import mixed

if TYPE_CHECKING:
    from PIL.Image import Image

FRAMES_LIMIT = 2000
PIXELS_LIMIT = 400_000_000  # of all frames: the file that moves is put together in memory
RATE, RATE_LIMIT = 12, 60  # frames a second
PROMPTS = ("prompt", "negative_prompt")
COMPEL = "compel"  # the language of prompts that can be mixed
_SIZE = ("width", "height")  # the same for all frames
STRENGTH, SOFT = "strength", 0.5  # of the frames that are made of the one before
_ONE = ("batch_size", "batches")  # a frame is one picture, made by itself

KINDS = {one.name: one.kind for one in REQUEST_FIELDS} | dict(MOTION)
_OF_PICTURES = {one.group for one in REQUEST_FIELDS if one.is_picture}  # groups that cannot be without one
SETTINGS = tuple(
    one.name for one in REQUEST_FIELDS if one.setting.page and one.group not in _OF_PICTURES and one.name not in _ONE
)
KEYED = (
    *PROMPTS,
    *MOTION,
    STRENGTH,
    *(
        one.name
        for one in REQUEST_FIELDS
        if one.name in SETTINGS and isinstance(one.kind, (Number, Whole)) and one.name not in _SIZE
    ),
)


@dataclass(frozen=True, slots=True)
class Track:
    """Values at some frames, ascending. Before the first and after the last the value stays."""

    keys: tuple[tuple[int, Any], ...]

    def at(self, frame: int) -> tuple[Any, Any, float]:
        """The value of the keyframe before, that of the next, and how far the frame is on the way, 0 ≤ share < 1."""
        before = max((key for key in self.keys if key[0] <= frame), default=self.keys[0])
        after = min((key for key in self.keys if key[0] > frame), default=before)
        if after[0] <= before[0] or frame < before[0]:
            return before[1], before[1], 0.0
        return before[1], after[1], (frame - before[0]) / (after[0] - before[0])

    def number(self, frame: int) -> float:
        """In a straight line between keyframes."""
        before, after, share = self.at(frame)
        return float(before if share == 0 else round(before + (after - before) * share, 6))

    @property
    def last(self) -> int:
        return self.keys[-1][0]

    @property
    def moves(self) -> bool:
        return len({value for _, value in self.keys}) > 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Animation:
    """Checked when built: each frame's request can be, as far as it can tell itself. `settings`: fields of a request,
    by name; `tracks`: those that have keyframes, the seed, and, where frames begin with a picture, the strength and
    how the one before is moved. `picture`: what the first frame begins with, and all where they do not follow."""

    settings: Mapping[str, Any]
    tracks: Mapping[str, Track]
    frames: int
    picture: Image | None = None
    name: str = ""
    rate: int = RATE
    seed_step: int = 0  # each frame's seed is so many on from that of the frame before
    # one a frame; where each is made of the one before, with a black picture in that one's place
    requests: tuple[GenerationRequest, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole(2, FRAMES_LIMIT).check("frames", self.frames)
        whole(1, RATE_LIMIT).check("fps", self.rate)
        whole(0, SEED_END - 1).check("seed_step", self.seed_step)
        if self.tracks["seed"].moves and self.settings.get("variation"):
            raise InvalidRequest("variation", "walk_variation")
        if self.tracks["seed"].moves and self.seed_step:
            raise InvalidRequest("seed_step", "walk_variation")
        first = self.request(0)
        black = PIL.Image.new("RGB", first.size)
        following = (self.request(frame, black) for frame in range(1, self.frames))
        object.__setattr__(self, "requests", (first, *following))
        pixels = self.frames * math.prod(self.size)
        if pixels > PIXELS_LIMIT:
            raise InvalidRequest("frames", "frames_pixels", limit=PIXELS_LIMIT // 10**6, value=math.ceil(pixels / 1e6))
        other = next((one.size for one in self.requests if one.size != self.size), self.size)
        if other != self.size:
            raise InvalidRequest(
                "frames", "frames_sizes", first="{} × {}".format(*self.size), value="{} × {}".format(*other)
            )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of each frame, pixels."""
        return self.requests[0].size

    @property
    def follows(self) -> bool:
        """Whether each frame is made of the one before."""
        return any(name in self.tracks for name in MOTION) or (STRENGTH in self.tracks and self.picture is None)

    def request(self, frame: int, before: Image | None = None) -> GenerationRequest:
        """Of one picture, its seed given. `before`: the frame before, which counts only where they follow."""
        values = dict(self.settings) | {"batch_size": 1, "batches": 1}
        for name, track in self.tracks.items():
            if name in PROMPTS:
                values[name] = _prompt(track, frame)
                if track.moves:
                    values["dialect"] = COMPEL
            elif name != "seed" and name not in MOTION:
                number = track.number(frame)
                values[name] = round(number) if isinstance(KINDS[name], Whole) else number
        if self.follows and before is not None:
            motion = {name: self.tracks[name].number(frame) for name in MOTION if name in self.tracks}
            values["init_image"] = moved(before, motion)
        elif self.picture is not None:
            values["init_image"] = self.picture
        request = build(GenerationRequest, values)
        if self.seed_step:
            return replace(request, seed=(self.tracks["seed"].at(0)[0] + frame * self.seed_step) % SEED_END)
        return _seeded(request, self.tracks["seed"], frame)


def _prompt(track: Track, frame: int) -> str:
    first, second, share = track.at(frame)
    return str(first) if share == 0 or first == second else mixed(first, second, share)


def _seeded(request: GenerationRequest, track: Track, frame: int) -> GenerationRequest:
    """On a keyframe the noise of its seed, between two along the sphere from one to the other."""
    first, second, share = track.at(frame)
    if share == 0 or first == second:
        return replace(request, seed=first)
    return replace(request, seed=first, variation=Variation(seed=second, strength=round(share, 6)))
