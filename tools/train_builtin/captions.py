"""What people might type for a `Picture`: synonyms, word order, tag lists, left-out words, quality fillers.

A caption never names what it does not show, but it may leave out what anybody would assume (a medium size, the centre,
a natural colour, flat style), so that short prompts draw something sensible instead of an average of everything.
"""

import random
from dataclasses import dataclass

from tools.train_builtin.world import NATURAL_COLOURS, Picture

SUBJECT_WORDS: dict[str, tuple[str, ...]] = {
    "ball": ("ball", "ball", "ball", "sphere", "orb"),
    "star": ("star",),
    "heart": ("heart", "heart", "love heart"),
    "moon": ("moon", "moon", "crescent moon", "crescent"),
    "house": ("house", "house", "home", "cottage", "hut"),
    "tree": ("tree",),
    "flower": ("flower", "flower", "blossom", "daisy"),
    "fish": ("fish",),
    "cat": ("cat", "cat", "cat", "kitten", "cat face", "kitty"),
    "boat": ("boat", "boat", "sailboat", "ship", "sailing boat"),
    "car": ("car", "car", "automobile", "vehicle"),
    "rocket": ("rocket", "rocket", "spaceship", "rocket ship"),
}
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "red", "red", "crimson", "scarlet"),
    "orange": ("orange",),
    "yellow": ("yellow", "yellow", "golden", "gold"),
    "green": ("green", "green", "emerald"),
    "teal": ("teal", "turquoise", "cyan"),
    "blue": ("blue", "blue", "azure"),
    "purple": ("purple", "purple", "violet"),
    "pink": ("pink", "pink", "rose colored"),
    "brown": ("brown",),
    "black": ("black",),
    "white": ("white",),
    "gray": ("gray", "grey", "silver"),
}
SCENE_PHRASES: dict[str, tuple[str, ...]] = {
    "meadow": ("in a meadow", "on a meadow", "in a grassy field", "on the grass", "in a garden", "in a park"),
    "beach": ("on a beach", "on the beach", "at the beach", "on a sandy beach", "at the seaside"),
    "desert": ("in the desert", "in a desert", "among sand dunes", "in a sandy desert"),
    "snow": ("in the snow", "in a snowy field", "in a snowy landscape", "in winter", "on snow"),
    "sea": ("on the sea", "in the ocean", "in the sea", "on the ocean", "on the water", "over the sea"),
    "mountains": ("in the mountains", "in front of mountains", "with mountains in the background"),
    "city": ("in a city", "in the city", "on a city street", "in a town", "with a city skyline"),
    "space": ("in space", "in outer space", "among the stars", "in the galaxy", "floating in space"),
}
TIME_PHRASES: dict[str, tuple[str, ...]] = {
    "day": ("on a sunny day", "during the day", "in daylight", "by day", "with a blue sky"),
    "sunset": ("at sunset", "at sunset", "at dusk", "in the evening", "at sunrise", "during sunset"),
    "night": ("at night", "at night", "at night", "at midnight", "under a dark sky"),
}
STYLE_PHRASES: dict[str, tuple[str, ...]] = {
    "flat": ("flat illustration", "vector art", "flat design", "flat style", "flat vector illustration"),
    "cartoon": ("cartoon", "cartoon style", "comic style", "bold outlines", "cartoon with black outlines"),
    "pixel": ("pixel art", "pixel art", "8-bit", "pixel art style", "8 bit pixel art", "retro pixels"),
    "watercolor": ("watercolor", "watercolor painting", "watercolour", "watercolor style", "aquarelle"),
}
STYLE_OPENINGS: dict[str, tuple[str, ...]] = {
    "flat": ("a flat illustration of", "vector art of"),
    "cartoon": ("a cartoon of", "a comic drawing of"),
    "pixel": ("pixel art of", "a pixel art image of", "8-bit art of"),
    "watercolor": ("a watercolor painting of", "a watercolor of", "a painting of"),
}
STYLE_LEFT_OUT = {"flat": 0.75, "cartoon": 0.05, "pixel": 0.04, "watercolor": 0.04}
SIZE_WORDS = {"small": ("small", "small", "tiny", "little"), "large": ("big", "large", "big", "huge", "giant")}
POSITION_PHRASES: dict[str, tuple[str, ...]] = {
    "left": ("on the left", "on the left side", "at the left", "to the left"),
    "right": ("on the right", "on the right side", "at the right", "to the right"),
    "center": ("in the center", "in the middle", "centered"),
}
TOGETHER = ("and", "and", "and", "next to", "beside", "with", "to the left of", "left of")
BLUR_WORDS = ("blurry", "blurred", "out of focus", "blurry, low quality", "low quality, blurry")
OPENINGS = ("a photo of", "a picture of", "an image of", "picture of", "image of", "art of", "a drawing of")
ADJECTIVES = ("cute", "beautiful", "lovely", "nice", "cool", "pretty", "happy", "simple", "shiny", "single")
FILLERS = (
    "highly detailed",
    "4k",
    "masterpiece",
    "best quality",
    "beautiful",
    "trending on artstation",
    "sharp",
    "hd",
    "high quality",
    "professional",
    "award winning",
    "stunning",
    "amazing",
    "clean",
    "colorful",
    "digital art",
)


def with_article(words: str) -> str:
    """`a` or `an` before the words."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def plain_prompt(picture: Picture) -> str:
    """The one canonical prompt of a picture: what the judge asks for."""
    place = "" if picture.position == "center" else f" on the {picture.position}"
    size = {"small": "small ", "medium": "", "large": "big "}[picture.size]
    subject = with_article(f"{size}{picture.colour} {picture.subject}")
    if picture.second:
        subject += " and " + with_article(f"{picture.second[1]} {picture.second[0]}")
    where = f"on {with_article(picture.background)} background"
    if not picture.plain:
        where = SCENE_PHRASES[picture.background][0]
    when = "" if picture.time == "none" else " " + TIME_PHRASES[picture.time][0]
    return f"{subject}{place} {where}{when}, {STYLE_PHRASES[picture.style][0]}"


def caption(picture: Picture, rng: random.Random) -> str:
    """One random caption of the picture."""
    parts = _choose_parts(picture, rng)
    text = _tags(parts, rng) if rng.random() < 0.13 else _sentence(parts, picture, rng)
    if picture.blurred:
        word = rng.choice(BLUR_WORDS)
        return f"{text}, {word}" if rng.random() < 0.7 else word
    if rng.random() < 0.12:
        text += ", " + ", ".join(rng.sample(FILLERS, rng.randint(1, 3)))
    return _disturb(text, rng)


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """The words chosen for one caption; an empty string is left out."""

    things: tuple[str, ...]  # one or two subjects with their adjectives, without articles
    where: str
    tag: str  # `where` for a tag list
    when: str
    place: str
    style: str


def _choose_parts(picture: Picture, rng: random.Random) -> _Parts:
    things = [_thing(picture.subject, picture.colour, picture.size, rng)]
    if picture.second:
        things.append(_thing(*picture.second, "medium", rng))
    where, tag = _where(picture, rng)
    # Day is what anybody assumes of a scene; sunset and night are not.
    says_when = picture.time != "none" and rng.random() > (0.6 if picture.time == "day" else 0.05)
    says_place = picture.second is None and rng.random() < (0.12 if picture.position == "center" else 0.93)
    return _Parts(
        things=tuple(things),
        where=where,
        tag=tag,
        when=rng.choice(TIME_PHRASES[picture.time]) if says_when else "",
        place=rng.choice(POSITION_PHRASES[picture.position]) if says_place else "",
        style=rng.choice(STYLE_PHRASES[picture.style]) if rng.random() > STYLE_LEFT_OUT[picture.style] else "",
    )


def _thing(subject: str, colour: str, size: str, rng: random.Random) -> str:
    words = []
    if size != "medium" and rng.random() < 0.93:
        words.append(rng.choice(SIZE_WORDS[size]))
    if rng.random() < 0.1:
        words.append(rng.choice(ADJECTIVES))
    if rng.random() > (0.45 if colour in NATURAL_COLOURS[subject] else 0.02):
        words.append(rng.choice(COLOUR_WORDS[colour]))
    if rng.random() < 0.08:
        rng.shuffle(words)
    return " ".join([*words, rng.choice(SUBJECT_WORDS[subject])])


def _where(picture: Picture, rng: random.Random) -> tuple[str, str]:
    """The phrase and the tag of the background; white and the meadow are what nobody needs to say."""
    if rng.random() < (0.3 if picture.background in ("white", "meadow") else 0.03):
        return "", ""
    if not picture.plain:
        return rng.choice(SCENE_PHRASES[picture.background]), picture.background
    colour = rng.choice(COLOUR_WORDS[picture.background])
    preposition = rng.choice(("on", "on", "on", "against", "with", "in front of"))
    phrases = [f"{preposition} {with_article(colour)} background"] * 4
    phrases += [f"on a plain {colour} background", f"on {colour}", f"{colour} background"]
    return rng.choice(phrases), f"{colour} background"


def _tags(parts: _Parts, rng: random.Random) -> str:
    """`red star, blue background, pixel art`: things first, the rest in any order."""
    tags = [tag for tag in (parts.tag, parts.when, parts.place, parts.style) if tag]
    rng.shuffle(tags)
    return ", ".join([*parts.things, *tags])


def _sentence(parts: _Parts, picture: Picture, rng: random.Random) -> str:
    bare = rng.random() < 0.12
    things = [thing if bare else with_article(thing) for thing in parts.things]
    if len(things) == 1:
        text = things[0] if rng.random() < 0.93 else f"the {parts.things[0]}"
    elif rng.random() < 0.18:
        text = f"{things[0]} on the left and {things[1]} on the right"
    else:
        text = f"{things[0]} {rng.choice(TOGETHER)} {things[1]}"
    phrases = [phrase for phrase in (parts.place, parts.where) if phrase]
    if rng.random() < 0.2:
        rng.shuffle(phrases)
    if parts.when:
        phrases.append(parts.when)
    separator = ", " if rng.random() < 0.15 else " "
    text = separator.join([text, *phrases])
    return _with_style(text, parts.style, picture.style, rng)


def _with_style(text: str, phrase: str, style: str, rng: random.Random) -> str:
    chance = rng.random()
    if not phrase:
        return f"{rng.choice(OPENINGS)} {text}" if chance < 0.08 else text
    if chance < 0.3:
        return f"{rng.choice(STYLE_OPENINGS[style])} {text}"
    return f"{phrase}, {text}" if chance < 0.4 else f"{text}, {phrase}"


def _disturb(text: str, rng: random.Random) -> str:
    """Now and then an unknown word, so that one does not derail the encoder."""
    if rng.random() > 0.04:
        return text
    words = text.split(" ")
    unknown = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 8)))
    words.insert(rng.randrange(len(words) + 1), unknown)
    return " ".join(words)


def fragment(picture: Picture, rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """A few attributes of a single-subject picture alone, in any order, and the heads they name.

    Words that stand alone teach the text encoder that "red" means red beside any subject, also one it never met.
    """
    words = {
        "subject": rng.choice(SUBJECT_WORDS[picture.subject]),
        "colour": rng.choice(COLOUR_WORDS[picture.colour]),
        "style": rng.choice(STYLE_PHRASES[picture.style]),
        "background": f"{picture.background} background" if picture.plain else _scene(picture, rng),
    }
    if picture.time != "none":
        words["time"] = rng.choice(TIME_PHRASES[picture.time])
    if picture.size != "medium":
        words["size"] = rng.choice(SIZE_WORDS[picture.size])
    if picture.position != "center":
        words["position"] = rng.choice(POSITION_PHRASES[picture.position])
    named = rng.sample(list(words), rng.randint(1, 3))
    return (", " if rng.random() < 0.5 else " ").join(words[name] for name in named), tuple(named)


def _scene(picture: Picture, rng: random.Random) -> str:
    return rng.choice((*SCENE_PHRASES[picture.background], picture.background))
