"""The world the built-in model knows: the attributes of a picture, how one is drawn at random, what is held out."""

import random
from dataclasses import dataclass

RGB = tuple[int, int, int]

SUBJECTS = ("ball", "star", "heart", "moon", "house", "tree", "flower", "fish", "cat", "boat", "car", "rocket")
COLOURS: dict[str, RGB] = {
    "red": (218, 38, 42),
    "orange": (245, 135, 25),
    "yellow": (250, 215, 45),
    "green": (45, 160, 65),
    "teal": (30, 178, 178),
    "blue": (40, 85, 220),
    "purple": (130, 55, 190),
    "pink": (246, 130, 182),
    "brown": (128, 78, 42),
    "black": (28, 28, 33),
    "white": (245, 245, 245),
    "gray": (140, 142, 146),
}
COLOUR_NAMES = tuple(COLOURS)
SCENES = ("meadow", "beach", "desert", "snow", "sea", "mountains", "city", "space")
BACKGROUNDS = COLOUR_NAMES + SCENES
TIMES = ("none", "day", "sunset", "night")  # "none": plain backgrounds and space know no time of day
STYLES = ("flat", "cartoon", "pixel", "watercolor")
SIZES = ("small", "medium", "large")
POSITIONS = ("left", "center", "right")

# What a subject looks like when nobody names its colour: the caption may then leave the colour out.
NATURAL_COLOURS: dict[str, tuple[str, ...]] = {
    "ball": ("red", "blue"),
    "star": ("yellow",),
    "heart": ("red",),
    "moon": ("yellow",),
    "house": ("brown", "white"),
    "tree": ("green",),
    "flower": ("pink", "red"),
    "fish": ("orange", "blue"),
    "cat": ("orange", "gray"),
    "boat": ("brown", "red"),
    "car": ("red", "blue"),
    "rocket": ("white", "red"),
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Everything that is decided about one picture before it is drawn.

    With `second` (subject, colour) there are two subjects: `subject` stands left, `second` right, both of them medium
    and the pair centred. `blurred` pictures exist so that "blurry" means something as a negative prompt.
    """

    subject: str
    colour: str
    background: str
    time: str = "none"
    style: str = "flat"
    size: str = "medium"
    position: str = "center"
    second: tuple[str, str] | None = None
    blurred: bool = False

    @property
    def plain(self) -> bool:
        return self.background in COLOURS


# The heads that read a picture (judge) or a caption (text encoder): name and classes, in the order of `labels`.
HEADS: dict[str, tuple[str, ...]] = {
    "subject": SUBJECTS,
    "colour": COLOUR_NAMES,
    "background": BACKGROUNDS,
    "time": TIMES,
    "style": STYLES,
    "size": SIZES,
    "position": POSITIONS,
    "second subject": (*SUBJECTS, "none"),
    "second colour": (*COLOUR_NAMES, "none"),
    "blurred": ("no", "yes"),
}


def labels(picture: Picture) -> list[int]:
    """The class index of each of `HEADS`."""
    second_subject, second_colour = picture.second or ("none", "none")
    values = (
        picture.subject,
        picture.colour,
        picture.background,
        picture.time,
        picture.style,
        picture.size,
        picture.position,
        second_subject,
        second_colour,
        "yes" if picture.blurred else "no",
    )
    return [classes.index(value) for classes, value in zip(HEADS.values(), values, strict=True)]


def held_out_colour(subject: str, colour: str) -> bool:
    """Whether this subject in this colour is never shown in training (one pair in nine)."""
    return (SUBJECTS.index(subject) * 5 + COLOUR_NAMES.index(colour) * 7) % 9 == 0


def held_out_background(subject: str, background: str) -> bool:
    """Whether this subject on this background is never shown in training (one pair in eleven)."""
    return (SUBJECTS.index(subject) * 7 + BACKGROUNDS.index(background) * 3) % 11 == 0


def is_held_out(picture: Picture) -> bool:
    """Whether any attribute pair of the picture is held out."""
    shown = [(picture.subject, picture.colour)] + ([picture.second] if picture.second else [])
    background = picture.background
    return any(held_out_colour(name, colour) or held_out_background(name, background) for name, colour in shown)


def draw_subject(rng: random.Random) -> tuple[str, str]:
    """A subject and its colour, natural colours a little more often than chance."""
    subject = rng.choice(SUBJECTS)
    natural = rng.random() < 0.12
    return subject, rng.choice(NATURAL_COLOURS[subject] if natural else COLOUR_NAMES)


def _draw_any(rng: random.Random, two_share: float) -> Picture:
    subject, colour = draw_subject(rng)
    background = rng.choice(COLOUR_NAMES if rng.random() < 0.5 else SCENES)
    timeless = background in COLOURS or background == "space"
    two = rng.random() < two_share
    return Picture(
        subject=subject,
        colour=colour,
        background=background,
        time="none" if timeless else rng.choices(TIMES[1:], (0.44, 0.28, 0.28))[0],
        style=rng.choices(STYLES, (0.37, 0.23, 0.2, 0.2))[0],
        size="medium" if two else rng.choices(SIZES, (0.22, 0.46, 0.32))[0],
        position="center" if two else rng.choices(POSITIONS, (0.2, 0.6, 0.2))[0],
        second=draw_subject(rng) if two else None,
        blurred=rng.random() < 0.03,
    )


def draw_picture(rng: random.Random, *, held_out: bool = False, two_share: float = 0.12) -> Picture:
    """A random picture; with `held_out` one whose attribute pairs never occur in training, else never such a one."""
    while True:
        picture = _draw_any(rng, two_share)
        colours = {picture.colour} | ({picture.second[1]} if picture.second else set())
        if picture.background in colours:  # nothing would be seen
            continue
        if picture.second and picture.second[0] == picture.subject:  # two alike say nothing about binding
            continue
        if is_held_out(picture) == held_out:
            return picture
