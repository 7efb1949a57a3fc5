"""The groups of fields that say what leads a denoising: guidance, maps and pictures, what steps share. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.control.preprocessing import PREPROCESSORS
from pipelines.errors import InvalidRequest, Note
from pipelines.fields import REQUIRED, check, setting
from pipelines.kinds import choice, flag, name, number, picture, ratios, shares_of, whole

if TYPE_CHECKING:
    from PIL.Image import Image

OWN_CONTROL = "builtin-outlines"  # the ControlNet that ships with the project, for the built-in model
# what a map shows, in the order in which union networks count them; those after the sixth only some know
CONTROL_KINDS = (*("pose", "depth", "thick lines", "thin lines", "normals", "segments"), "tile", "repaint")
BALANCES = ("balanced", "prompt", "control")  # which of the two counts for more
REGION_DIRECTIONS = ("columns", "rows")  # from left to right, from top to bottom
GUIDING_METHODS = ("plain", "zero star", "projected", "thresholded")
AUTOMATIC = "automatic"  # the first file that fits


@dataclass(frozen=True, kw_only=True, slots=True)
class Guiding:
    """How the prompt leads, beside its strength. What each does: `pipelines.engines.modifiers.guiding`."""

    method: str = setting(
        GUIDING_METHODS[0],
        choice(*GUIDING_METHODS),
        name="guiding_method",
        infotext="Guidance method",
        sparse=True,
    )
    # of "zero star": so many first steps move nothing
    zero_steps: int = setting(0, whole(0, 20), name="guiding_zero_steps", infotext="Guidance zero steps", sparse=True)
    # of "projected": what is kept of the part along the picture itself; the longest way of an image (0: any); what is
    # kept of the ways before
    along: float = setting(0.0, number(0, 1, step=0.05), name="guiding_along", infotext="APG eta", sparse=True)
    longest: float = setting(15.0, number(0, 100), name="guiding_longest", infotext="APG norm", sparse=True)
    momentum: float = setting(
        -0.5, number(-1, 1, step=0.05), name="guiding_momentum", infotext="APG momentum", sparse=True
    )
    # of "thresholded": the guidance whose reach is kept; the share of the latents that count for the reach, percent
    mimicked: float = setting(7.0, number(1, 30), name="guiding_mimicked", infotext="Mimic scale", sparse=True)
    percentile: float = setting(
        100.0, number(90, 100, step=0.05), name="guiding_percentile", infotext="Threshold percentile", sparse=True
    )
    # share of what guidance widened that is taken back; models whose noise ends without any signal want 0.7
    rescale: float = setting(0.0, number(0, 1, step=0.05), name="guiding_rescale", infotext="CFG Rescale", sparse=True)
    # shares of the steps: guided are those behind the one (0: from the first) and before the other
    start: float = setting(0.0, number(0, 1, step=0.01), name="guiding_start", infotext="Skip Early CFG", sparse=True)
    stop: float = setting(1.0, number(0, 1, step=0.01), name="guiding_stop", infotext="Skip Late CFG", sparse=True)
    # below this noise every second step is not guided; 0: all are
    least_sigma: float = setting(
        0.0, number(0, 15, step=0.01), name="guiding_least_sigma", infotext="NGMS", sparse=True
    )
    # ... or no step below it
    all_steps: bool = setting(
        False,
        flag(),
        name="guiding_all_steps",
        infotext="NGMS all steps",
        words={"True": True, "False": False},
        sparse=True,
    )
    # how strongly away from what a spoilt network says, 0: not at all; it costs a row more
    attention: float = setting(
        0.0, number(0, 15, step=0.1), name="guiding_attention", infotext="PAG scale", sparse=True
    )
    layers: float = setting(0.0, number(0, 15, step=0.1), name="guiding_layers", infotext="SLG scale", sparse=True)
    smoothing: float = setting(
        0.0, number(0, 15, step=0.1), name="guiding_smoothing", infotext="SEG scale", sparse=True
    )
    # of the smoothing: how far queries are blurred, places of the layer; 0: all are their mean
    blur: float = setting(0.0, number(0, 100, step=0.5), name="guiding_blur", infotext="SEG blur sigma", sparse=True)
    # how strongly towards what the built-in model's own head for noisy latents takes for the prompt, 0: not at all; and
    # the shares of the calls between which it leads
    classifier: float = setting(
        0.0, number(0, 20, step=0.1), name="guiding_classifier", infotext="Classifier scale", sparse=True
    )
    classifier_start: float = setting(
        0.0, number(0, 1, step=0.01), name="guiding_classifier_start", infotext="Classifier start", sparse=True
    )
    classifier_stop: float = setting(
        1.0, number(0, 1, step=0.01), name="guiding_classifier_stop", infotext="Classifier stop", sparse=True
    )
    freeu: bool = setting(
        False, flag(), name="guiding_freeu", infotext="freeu_enabled", words={"True": True, "False": False}, sparse=True
    )
    # of FreeU: what the inner features and those of the skips are multiplied by, at its two deepest levels
    inner_1: float = setting(1.3, number(0, 2, step=0.01), name="guiding_inner_1", infotext="freeu_b1", sparse=True)
    inner_2: float = setting(1.4, number(0, 2, step=0.01), name="guiding_inner_2", infotext="freeu_b2", sparse=True)
    skip_1: float = setting(0.9, number(0, 2, step=0.01), name="guiding_skip_1", infotext="freeu_s1", sparse=True)
    skip_2: float = setting(0.2, number(0, 2, step=0.01), name="guiding_skip_2", infotext="freeu_s2", sparse=True)

    def __post_init__(self) -> None:
        check(self)

    @property
    def limited(self) -> bool:
        """Some steps are not guided by the negative prompt."""
        return self.start > 0 or self.stop < 1 or self.least_sigma > 0

    @property
    def spoilt(self) -> int:
        """So many more times the network is asked of each prompt."""
        return (self.attention > 0) + (self.layers > 0) + (self.smoothing > 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """A ControlNet and the map that it follows: a picture as the network was trained on, edges for one of edges."""

    # of the shape of the picture that is made
    map: Image = setting(REQUIRED, picture("RGB"), needed=Note("map_needed"))
    model: str = setting(OWN_CONTROL, name())  # ... or the name of a ControlNet in the models folder
    weight: float = setting(1.0, number(0, 2, step=0.05))
    # shares of the calls of the network: it counts in those that lie between them
    start: float = setting(0.0, number(0, 1, step=0.01))
    end: float = setting(1.0, number(0, 1, step=0.01))
    # "prompt": the finer, the weaker; "control": so, and the negative prompt's half goes without it
    balance: str = setting(BALANCES[0], choice(*BALANCES))
    # for a network that reads several kinds of maps (union); "repaint": what the mask covers is hidden from it
    kind: str = setting("thin lines", choice(*CONTROL_KINDS))
    # how page and command line made the map of a picture; it counts nothing here
    preprocessor: str = setting(PREPROCESSORS[0], choice(*PREPROCESSORS), axis=False)
    # of "canny": how strong an edge goes on, and how strong it begins
    low: int = setting(100, whole(1, 255), axis=False)
    high: int = setting(200, whole(1, 255), axis=False)

    def __post_init__(self) -> None:
        check(self)
        _check_end(self.start, self.end)


def _check_end(start: float, end: float) -> None:
    if end < start:
        raise InvalidRequest("end", "control_ends_early", start=start, value=end)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A picture that is to be like: an IP-Adapter has the network look at it beside the words."""

    picture: Image = setting(REQUIRED, picture("RGB"), needed=Note("reference_needed"))  # of any size
    # files of the models folder: the adapter, and the CLIP vision model of its training; both told once it is queued
    model: str = setting(AUTOMATIC, name())
    encoder: str = setting(AUTOMATIC, name())
    weight: float = setting(0.6, number(0, 2, step=0.05))
    # shares of the calls of the network, as those of a ControlNet
    start: float = setting(0.0, number(0, 1, step=0.01))
    end: float = setting(1.0, number(0, 1, step=0.01))

    def __post_init__(self) -> None:
        check(self)
        _check_end(self.start, self.end)


@dataclass(frozen=True, kw_only=True, slots=True)
class Unclip:
    """The picture that an unCLIP model makes variations of: it is told what CLIP sees in it, beside the words."""

    picture: Image = setting(REQUIRED, picture("RGB"), name="unclip_picture", needed=Note("unclip_needed"))  # any size
    # of what is seen, as the steps of the model's own noising count it; the more, the freer
    noise_level: int = setting(0, whole(0, 999), name="unclip_noise_level", infotext="unCLIP noise level")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Regions:
    """A region of the picture for each of the prompts that AND joins. One prompt more: the first is for everywhere
    (`pipelines.engines.modifiers.regions`)."""

    direction: str = setting(
        REGION_DIRECTIONS[0], choice(*REGION_DIRECTIONS), name="regions_direction", infotext="Regions"
    )
    ratios: str = setting("1:1", ratios(), name="regions_ratios", infotext="Regions ratios", sparse=True)
    # of a prompt for everywhere: how much it counts at each place
    common: float = setting(
        0.2, number(0, 0.95, step=0.05), name="regions_common", infotext="Regions base ratio", sparse=True
    )
    # the share of the side over which a region fades into the next
    blend: float = setting(0.1, number(0, 0.5, step=0.01), name="regions_blend", infotext="Regions blend", sparse=True)
    # for this first share of the steps each prompt sees its region in the middle of the picture
    middle: float = setting(
        0.4, number(0, 1, step=0.05), name="regions_middle", infotext="Regions centred", sparse=True
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def across(self) -> bool:
        return self.direction == REGION_DIRECTIONS[0]

    @property
    def parts(self) -> tuple[float, ...]:
        """Shares of the side, 1 together."""
        return shares_of(self.ratios)

    def check_prompts(self, prompts: int) -> None:
        """Raises InvalidRequest where so many prompts have no place in so many regions."""
        if prompts not in (count := len(self.parts), count + 1):
            raise InvalidRequest("prompt", "regions_prompts", regions=count, more=count + 1, value=prompts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reuse:
    """Inner features of a step are handed on to those behind it: quicker, and a little different
    (`pipelines.engines.modifiers.reusing`)."""

    # of so many steps one is computed wholly
    interval: int = setting(3, whole(2, 10), name="reuse_interval", infotext="DeepCache interval")
    # shares of the steps: only those behind the one and before the other are begun so
    start: float = setting(0.0, number(0, 1, step=0.01), name="reuse_start", infotext="DeepCache start", sparse=True)
    stop: float = setting(1.0, number(0, 1, step=0.01), name="reuse_stop", infotext="DeepCache stop", sparse=True)

    def __post_init__(self) -> None:
        check(self)

    def at(self, step: int, steps: int) -> bool:
        """Whether `step`, 1 … steps, takes what is kept."""
        done = step - 1
        return self.start <= done / steps < self.stop and done % self.interval != 0
