"""What a prompt asks of the built-in model's world. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SUBJECTS = ("ball", "star", "heart", "moon", "house", "tree", "flower", "fish", "cat", "boat", "car", "rocket")
_COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "black", "white", "gray")
_SCENES = ("meadow", "beach", "desert", "snow", "sea", "mountains", "city", "space")
# the ten things that the judge names, and their names, in its order
THINGS: Mapping[str, tuple[str, ...]] = {
    "subject": _SUBJECTS,
    "colour": _COLOURS,
    "background": (*_COLOURS, *_SCENES),
    "time": ("none", "day", "sunset", "night"),
    "style": ("flat", "cartoon", "pixel", "watercolor"),
    "size": ("small", "medium", "large"),
    "position": ("left", "center", "right"),
    "second subject": (*_SUBJECTS, "none"),
    "second colour": (*_COLOURS, "none"),
    "blurred": ("no", "yes"),
}


def asked(prompt: str) -> dict[str, str]:
    """Thing -> the name that a prompt gives it in the model's plain words; what it leaves open is left out."""
    words = re.findall(r"[a-z]+", prompt.lower())
    found: dict[str, str] = {}
    subjects = [place for place, word in enumerate(words) if word in _SUBJECTS]
    for place, prefix in zip(subjects, ("", "second "), strict=False):
        found[f"{prefix}subject"] = words[place]
        if place and words[place - 1] in _COLOURS:
            found[f"{prefix}colour"] = words[place - 1]
    for place, word in enumerate(words):
        if word == "background" and place and words[place - 1] in _COLOURS:
            found["background"] = words[place - 1]
        for thing, names in (("background", _SCENES), ("time", THINGS["time"][1:]), ("style", THINGS["style"])):
            if word in names:
                found.setdefault(thing, word)
    return found
