"""What travels between the rooms: plain data. No torch, no page, no files."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from pipelines.errors import InvalidRequest
from pipelines.sampling.samplers import SAMPLERS, SCHEDULES

if TYPE_CHECKING:
    from PIL.Image import Image

SEED_END = 2**32  # seeds are 0 … SEED_END - 1
PROMPT_LIMIT = 20_000  # characters
SIDE_STEP = 8  # pixels

Task = Literal["txt2img", "img2img", "inpaint"]
ResizeMode = Literal["stretch", "crop", "pad"]
MaskedContent = Literal["fill", "original", "latent noise", "latent nothing"]
RESIZE_MODES: tuple[str, ...] = get_args(ResizeMode)
IMAGE_GUIDANCE = 1.5  # as InstructPix2Pix was published with
PREDICTION_TYPES = ("epsilon", "v_prediction")
DIALECTS = ("a1111", "compel")  # languages of prompts, `pipelines.prompts` says what each is
MASKED_CONTENTS: tuple[str, ...] = get_args(MaskedContent)
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # NUL and halves of surrogate pairs


def _check_number(name: str, value: object, low: float, high: float, *, whole: bool = False) -> None:
    number = value if isinstance(value, int if whole else (int, float)) and not isinstance(value, bool) else math.nan
    # a whole number may be too large for a float, and is finite
    if isinstance(number, float) and not math.isfinite(number):
        kind = "whole number" if whole else "number"
        raise InvalidRequest(name, f"must be a {kind} from {low:,} to {high:,}, got {value!r}")
    if not low <= number <= high:
        raise InvalidRequest(name, f"must be from {low:,} to {high:,}, got {value!r}")


def _check_side(name: str, value: int) -> None:
    _check_number(name, value, 64, 4096, whole=True)
    if value % SIDE_STEP:
        raise InvalidRequest(name, f"must be a multiple of {SIDE_STEP}, got {value}")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidRequest(name, f"must be one of {', '.join(choices)}, got {value!r}")


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidRequest(name, f"must be true or false, got {value!r}")


def _check_text(name: str, value: object, *, optional: bool = False) -> None:
    if value is None and optional:
        return
    if not isinstance(value, str):
        raise InvalidRequest(name, f"must be text, got {value!r}")
    if len(value) > PROMPT_LIMIT:
        raise InvalidRequest(name, f"must have at most {PROMPT_LIMIT:,} characters, got {len(value):,}")
    if _NO_TEXT.search(value):
        raise InvalidRequest(name, "must not hold NUL or half of a surrogate pair")


def _check_name(name: str, value: object, what: str) -> None:
    if not isinstance(value, str) or not value:
        raise InvalidRequest(name, f"must be {what}, got {value!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class InitImage:
    """The picture to start from: upright sRGB "RGB" of any size (`webui.archive.pictures.read` makes one)."""

    image: Image
    strength: float = 0.75  # share of the steps that run; 1 keeps nothing of the picture
    resize_mode: ResizeMode = "crop"  # how it comes to width × height
    image_guidance: float | None = None  # how closely a model that edits keeps to the picture; None: IMAGE_GUIDANCE

    def __post_init__(self) -> None:
        if self.image.mode != "RGB":
            raise InvalidRequest("init_image", f"must be RGB, got {self.image.mode}")
        _check_number("strength", self.strength, 0, 1)
        _check_choice("resize_mode", self.resize_mode, RESIZE_MODES)
        if self.image_guidance is not None:
            _check_number("image_guidance", self.image_guidance, 0, 30)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inpaint:
    """What to repaint: `mask` is "L" in the init image's own size, 255 = repaint."""

    mask: Image
    mask_blur: int = 4  # pixels of the init image, Gaussian radius
    mask_grow: int = 0  # pixels; negative shrinks
    invert: bool = False
    masked_content: MaskedContent = "original"
    only_masked: bool = False  # work on the masked area alone, at full size
    padding: int = 32  # pixels round the masked area when only_masked

    def __post_init__(self) -> None:
        if self.mask.mode != "L":
            raise InvalidRequest("mask", f"must be greyscale (L), got {self.mask.mode}")
        _check_number("mask_blur", self.mask_blur, 0, 64, whole=True)
        _check_number("mask_grow", self.mask_grow, -64, 64, whole=True)
        _check_number("padding", self.padding, 0, 256, whole=True)
        _check_flag("invert", self.invert)
        _check_flag("only_masked", self.only_masked)
        _check_choice("masked_content", self.masked_content, MASKED_CONTENTS)
        histogram = self.mask.histogram()
        if sum(histogram[:-1] if self.invert else histogram[1:]) == 0:
            raise InvalidRequest("mask", "must mark at least one pixel, got an empty mask")


def steps_at(strength: float, steps: float) -> int:
    """So many of `steps` really run for a start picture at this strength."""
    return int(round(strength * steps, 6))  # 0.29 * 100 is 28.999999999999996 in binary


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequest:
    """One wish, checked when built. `batches` runs of `batch_size` images; image i of all has seed + i."""

    prompt: str = ""
    negative_prompt: str = ""
    model: str = "builtin"
    sampler: str = "DPM++ 2M"
    schedule: str = "automatic"
    steps: int = 20
    guidance: float = 7.0
    width: int = 512  # pixels
    height: int = 512  # pixels
    batch_size: int = 1
    batches: int = 1
    seed: int | None = None  # None: drawn when the job is made
    clip_skip: int = 1  # 1: the text encoder's last layer
    init: InitImage | None = None
    inpaint: Inpaint | None = None
    dialect: str = DIALECTS[0]
    vae: str = "automatic"  # the model's own, or the name of a VAE in the models folder
    template: str | None = None  # the text with choices that the prompt was drawn from; None: it held none
    negative_template: str | None = None
    prediction_type: str | None = None  # what the model predicts, where a person knows better; None: as its files say
    zero_terminal_snr: bool | None = None  # likewise: its noise levels end without any signal

    def __post_init__(self) -> None:
        _check_text("prompt", self.prompt)
        _check_text("negative_prompt", self.negative_prompt)
        _check_text("template", self.template, optional=True)
        _check_text("negative_template", self.negative_template, optional=True)
        if self.prediction_type is not None:
            _check_choice("prediction_type", self.prediction_type, PREDICTION_TYPES)
        if self.zero_terminal_snr is not None:
            _check_flag("zero_terminal_snr", self.zero_terminal_snr)
        _check_name("model", self.model, "a model's name")
        _check_name("vae", self.vae, "automatic or a VAE's name")
        _check_choice("dialect", self.dialect, DIALECTS)
        _check_choice("sampler", self.sampler, tuple(SAMPLERS))
        _check_choice("schedule", self.schedule, SCHEDULES)
        if self.schedule not in SAMPLERS[self.sampler].schedules:
            allowed = ", ".join(SAMPLERS[self.sampler].schedules)
            raise InvalidRequest("schedule", f"must be one of {allowed} with {self.sampler}, got {self.schedule!r}")
        _check_number("steps", self.steps, 1, 150, whole=True)
        _check_number("guidance", self.guidance, 0, 30)
        for side in ("width", "height"):
            _check_side(side, getattr(self, side))
        _check_number("batch_size", self.batch_size, 1, 16, whole=True)
        _check_number("batches", self.batches, 1, 100, whole=True)
        if self.seed is not None:
            _check_number("seed", self.seed, 0, SEED_END - 1, whole=True)
        _check_number("clip_skip", self.clip_skip, 1, 12, whole=True)
        if self.init is not None and self.steps_run == 0:
            least = math.ceil(100 / self.steps) / 100
            rule = f"must be at least {least:g} for {self.steps} steps, got {self.init.strength}"
            raise InvalidRequest("strength", rule)
        if self.inpaint is not None:
            if self.init is None:
                raise InvalidRequest("init_image", "must be given with a mask, got none")
            if self.inpaint.mask.size != self.init.image.size:
                raise InvalidRequest(
                    "mask", f"must have the picture's size {self.init.image.size}, got {self.inpaint.mask.size}"
                )

    @property
    def task(self) -> Task:
        if self.inpaint is not None:
            return "inpaint"
        return "txt2img" if self.init is None else "img2img"

    @property
    def steps_run(self) -> int:
        """Steps that really run: int(steps × strength), as every Stable Diffusion program counts."""
        return self.steps if self.init is None else steps_at(self.init.strength, self.steps)

    @property
    def images(self) -> int:
        return self.batch_size * self.batches

    def batches_from(self, seed: int) -> Iterator[Batch]:
        """The batches of this run: image i has seed + i, wrapping at 2^32."""
        for first in range(0, self.images, self.batch_size):
            seeds = tuple((seed + first + n) % SEED_END for n in range(self.batch_size))
            yield Batch(request=self, seeds=seeds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What the engine computes at once. Pixels depend on the batch's size and on an image's place, never on its
    neighbours' content, so both are recorded and repeated."""

    request: GenerationRequest
    seeds: tuple[int, ...]
    threads: int | None = None  # CPU threads to compute with; None: the engine's choice
    attention: bool = False  # whether each result tells where words look; changes no pixel

    @classmethod
    def around(cls, request: GenerationRequest, position: int, threads: int | None = None) -> Batch:
        """The batch that made the image of `request` (as run, so with its own seed) at `position`."""
        if request.seed is None or not 0 <= position < request.batch_size:
            raise InvalidRequest("position", f"must be from 0 to {request.batch_size - 1} with a seed, got {position}")
        first = request.seed - position
        seeds = tuple((first + n) % SEED_END for n in range(request.batch_size))
        return cls(request=request, seeds=seeds, threads=threads)

    def as_run(self, position: int) -> GenerationRequest:
        """The request of one image of this batch: its own seed, one batch of the same size."""
        return replace(self.request, seed=self.seeds[position], batches=1, batch_size=len(self.seeds))


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a batch is. `stage`: loading, encoding, denoising, decoding; on the way to a model also `converting` and
    `loading PART`, whose steps are percent; of pictures that are embedded: waiting, embedding."""

    stage: str
    step: int = 0
    steps: int = 0
    preview: bytes | None = None  # JPEG, at most 256 pixels a side
    warning: str | None = None  # one sentence that a person should see; the run goes on


@dataclass(frozen=True, kw_only=True, slots=True)
class Attention:
    """Where each word of a prompt looks, in its order."""

    words: tuple[str, ...]
    width: int  # of the latents
    height: int
    maps: bytes  # float32, little-endian: (words, height, width), shares of the attention, 0 … 1


Facts = Mapping[str, Any]  # JSON values: what was true when the image was made


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationResult:
    """One image and the request as run: seed never None, batches 1."""

    image: Image
    request: GenerationRequest
    position: int  # in its batch
    seconds: float  # of the whole batch
    facts: Facts = field(default_factory=dict)
    attention: Attention | None = None  # when the batch asked for it


OnProgress = Callable[[Progress], None]  # may raise Cancelled or Skipped: the engine stops within one step


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelInfo:
    """What is known of a model without loading it."""

    name: str
    family: str  # "sd1", "sd2", "sdxl", …, "builtin"
    path: str
    bytes: int = 0
    native_size: int = 512  # pixels a side
    guidance: float = 7.0  # what suits it, where nobody says otherwise
    steps: int | None = None  # likewise; None: as the page has it
    sampler: str | None = None  # the only one that it takes; None: it takes all
    sha256: str | None = None  # None: not computed yet
    inpainting: bool = False  # nine input channels
    problem: str | None = None  # one sentence when it cannot be loaded
    kind: str = "checkpoint"  # or "lora", "lycoris", "vae", "embedding", "controlnet", …; "unknown" for broken files
    variant: str = ""  # "", "inpaint", "pix2pix", "depth", "upscale", "distilled"; "dev" or "schnell" for Flux
    layout: str = "single"  # "single" (safetensors), "pickle" (converted at first use), "folder" (diffusers)
    prediction_type: str | None = None  # "epsilon", "v_prediction", "edm", "flow"; None: the file does not say
    zero_terminal_snr: bool = False
    parts: tuple[str, ...] = ()  # of "unet", "transformer", "vae", "text_encoder", "image_encoder", "ema"; () unknown
    dtype: str = ""  # "float16", …: what most of its tensors are


Embedding = tuple[float, ...]  # of a picture, (width of the encoder's projection,), of any length


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelPart:
    """One part of a model, counted."""

    name: str  # "text_encoder", "text_encoder_2", "unet", "transformer", "vae", "ema", "other", or the file's kind
    parameters: int
    bytes: int
    dtype: str = ""  # "float16", …: what most of its tensors are


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineState:
    """What the page shows of the engine. `state`: warming, ready or failed."""

    state: Literal["warming", "ready", "failed"]
    device: str = ""
    dtype: str = ""
    message: str = ""
    memory_bytes: int | None = None  # of the card, or main memory where there is none; None: not known yet
    memory_free_bytes: int | None = None  # what a model and its work may take of it, the model there now included
    memory_moves: bool = True  # weights may leave the device for main memory
    # by family: what the work of a "step" and a "decode" took here, divided by what was predicted
    memory_learned: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A piece of a prompt as a text encoder gets it."""

    text: str  # bytes that are no whole character in hexadecimal
    id: int
    weight: float
    ends_word: bool
    learned: bool = False  # a vector of a textual inversion


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenChunk:
    """What is encoded at once; `part` counts the prompts of an AND."""

    tokens: tuple[Token, ...]
    room: int  # for so many tokens
    part: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptReading:
    """How a model's text encoders read a prompt at the first step."""

    encoders: tuple[tuple[TokenChunk, ...], ...]  # one for each, SDXL has two
    family: str
    changes: bool  # it reads otherwise at later steps
    weights: tuple[float, ...] = (1.0,)  # of the parts of an AND


REQUEST_FIELDS = tuple(item.name for item in fields(GenerationRequest))
