"""What travels between the rooms: plain data. No torch, no page, no files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from pipelines.details import DETAILS, SETTLED, Detail
from pipelines.errors import InvalidRequest, Note
from pipelines.fields import check, fields_of, group, setting
from pipelines.groups import (
    LARGEST_SIDE,
    SCHEDULE_WORDS,
    SEED_END,
    SIDE_STEP,
    SMALLEST_SIDE,
    Edit,
    Hires,
    InitImage,
    Inpaint,
    Refiner,
    Tiles,
    Upscale,
    Variation,
    check_schedule,
    no_step_runs,
)
from pipelines.kinds import choice, flag, name, number, text, whole
from pipelines.leading import Control, Guiding, Reference, Regions, Reuse, Unclip
from pipelines.sampling.samplers import SAMPLERS, SCHEDULES
from pipelines.steps import LONGEST, PassSize, steps_at, until
from pipelines.watching import Attention, Block, Dissolving, Filming, Moment

if TYPE_CHECKING:
    from PIL.Image import Image

PROMPT_RULES = 2  # by which prompts are read, kept with each picture
FIRST_RULES = 1  # of version 0.1.0, which kept no number: see `pipelines.prompts.first_rules`
# names and families of the models that ship with the project: out of noise, and of masked tokens
BUILT_IN = BUILTIN, BUILTIN_TOKENS = "builtin", "builtin-tokens"

Task = Literal["txt2img", "img2img", "inpaint", "upscale"]
PREDICTION_TYPES = ("epsilon", "v_prediction")
TILINGS = ("none", "x", "y", "both")
_TILING_WORDS = {"True": "both", "False": "none"}  # A1111 has both or none
DIALECTS = ("a1111", "compel")  # languages of prompts, `pipelines.prompts` says what each is


def task_of(settings: Mapping[str, Any]) -> Task:
    """Of a request as JSON values, whatever wrote them."""
    if settings.get("upscale") is not None:
        return "upscale"
    if settings.get("inpaint") is not None:
        return "inpaint"
    return "txt2img" if settings.get("init") is None else "img2img"


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequest:
    """One wish, checked when built. `batches` runs of `batch_size` images; image i of all has seed + i."""

    prompt: str = setting("", text())
    negative_prompt: str = setting("", text())
    steps: int = setting(20, whole(1, LONGEST), infotext="Steps", per_model="form")
    sampler: str = setting("DPM++ 2M", choice(*SAMPLERS), infotext="Sampler", per_model="form")
    schedule: str = setting(
        "automatic", choice(*SCHEDULES), infotext="Schedule type", words=SCHEDULE_WORDS, per_model="form"
    )
    guidance: float = setting(7.0, number(0, 30), infotext="CFG scale", per_model="form")
    seed: int | None = setting(None, whole(0, SEED_END - 1), infotext="Seed")  # None: drawn when the job is made
    width: int = setting(512, whole(SMALLEST_SIDE, LARGEST_SIDE, step=SIDE_STEP), per_model="form")  # pixels
    height: int = setting(512, whole(SMALLEST_SIDE, LARGEST_SIDE, step=SIDE_STEP), per_model="form")  # pixels
    model: str = setting(BUILTIN, name(), infotext="Model")
    init: InitImage | None = group(InitImage, tasks=("img2img", "inpaint"))
    # 1: the text encoder's last layer
    clip_skip: int = setting(1, whole(1, 12), infotext="Clip skip", sparse=True, per_model="form")
    # which edges meet, so that the picture can be laid beside itself: left and right are x
    tiling: str = setting(TILINGS[0], choice(*TILINGS), infotext="Tiling", words=_TILING_WORDS, sparse=True)
    dialect: str = setting(DIALECTS[0], choice(*DIALECTS), infotext="Prompt dialect", sparse=True)
    inpaint: Inpaint | None = group(Inpaint, tasks=("inpaint",))
    edit: Edit | None = group(Edit, tasks=("img2img",), infotext="Edited by words", sparse=True)
    hires: Hires | None = group(Hires, tasks=("txt2img",))
    refiner: Refiner | None = group(Refiner)
    tiles: Tiles | None = group(Tiles)
    detail: Detail | None = group(Detail)
    guiding: Guiding | None = group(Guiding, infotext="Guidance changed", sparse=True)
    variation: Variation | None = group(Variation)
    control_1: Control | None = group(Control, numbered=True)
    control_2: Control | None = group(Control, numbered=True)
    control_3: Control | None = group(Control, numbered=True)
    reference_1: Reference | None = group(Reference, numbered=True)
    reference_2: Reference | None = group(Reference, numbered=True)
    reference_3: Reference | None = group(Reference, numbered=True)
    unclip: Unclip | None = group(Unclip)
    regions: Regions | None = group(Regions)
    reuse: Reuse | None = group(Reuse)
    upscale: Upscale | None = group(Upscale, tasks=("upscale",))
    batch_size: int = setting(1, whole(1, 16), axis=False)
    batches: int = setting(1, whole(1, 100), axis=False)
    vae: str = setting("automatic", name(), per_model="form")  # the model's own, or one of the models folder
    # after so many steps of all passes the picture is taken as it is predicted by then; 0: after all of them
    stop_after: int = setting(0, whole(0, 2 * LONGEST), infotext="Stopped after", sparse=True)
    # the text with choices that the prompt was drawn from; None: it held none
    template: str | None = setting(None, text(), page=False, axis=False)
    negative_template: str | None = setting(None, text(), page=False, axis=False)
    # what the model predicts, where a person knows better; None: as its files say
    prediction_type: str | None = setting(None, choice(*PREDICTION_TYPES), page=False, axis=False, per_model="always")
    # likewise: its noise levels end without any signal
    zero_terminal_snr: bool | None = setting(None, flag(), page=False, axis=False, per_model="always")

    def __post_init__(self) -> None:
        check(self)
        check_schedule("schedule", self.sampler, self.schedule)
        if self.init is not None and self.steps_run == 0:
            raise no_step_runs("strength", self.steps, self.init.strength)
        if self.inpaint is not None:
            if self.init is None:
                raise InvalidRequest("init_image", "picture_needed")
            if (wanted := self.init.image.size) != (size := self.inpaint.mask.size):
                told = {"wanted": "{} × {}".format(*wanted), "value": "{} × {}".format(*size)}
                raise InvalidRequest("mask", "mask_size", **told)
        if self.hires is not None:
            self._check_second(self.hires)
        if self.refiner is not None:
            self.refiner.steps_of(*self._last_steps)
        if self.detail is not None and self.upscale is None:
            self._check_detail(self.detail)

    def _check_detail(self, detail: Detail) -> None:
        if self.detail_steps_run == 0:
            raise no_step_runs("detail_strength", detail.steps or self.steps, detail.strength)
        if self.reaches_details:
            tuple(detail.boxes_in(*self.size))  # each lies within

    def _check_second(self, hires: Hires) -> None:
        if self.init is not None:
            raise InvalidRequest("hires", "hires_beside_picture")
        check_schedule("hires_schedule", *hires.sampling(self.sampler, self.schedule))
        if self.second_steps_run == 0:
            raise no_step_runs("hires_strength", hires.steps or self.steps, hires.strength)
        hires.size(self.width, self.height)

    @property
    def task(self) -> Task:
        return task_of({name: getattr(self, name) for name in ("upscale", "inpaint", "init")})

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its pictures, pixels."""
        if self.upscale is not None:
            return self.upscale.size
        if self.init is not None and self.inpaint is not None and self.inpaint.only_masked:
            return self.init.image.size
        last = self._picture_passes[-1]
        return last.width, last.height

    @property
    def reaches_details(self) -> bool:
        """It does not end in the passes before."""
        return not 0 < self.stop_after <= self.steps_run + self.second_steps_run

    @property
    def second(self) -> GenerationRequest | None:
        """What its second pass is told, a request of its own; None: there is none."""
        hires = self.hires
        if hires is None or self.upscale is not None:
            return None
        width, height = hires.size(self.width, self.height)
        sampler, schedule = hires.sampling(self.sampler, self.schedule)
        return replace(
            self,
            hires=None,
            width=width,
            height=height,
            steps=hires.steps or self.steps,
            sampler=sampler,
            schedule=schedule,
            guidance=hires.guidance or self.guidance,
            prompt=hires.prompt or self.prompt,
            negative_prompt=hires.negative_prompt or self.negative_prompt,
        )

    @property
    def passes(self) -> tuple[PassSize, ...]:
        """What each pass of one image computes; none where no step of denoising runs."""
        if self.upscale is not None:
            return ()
        found = list(self._picture_passes)
        if self.detail is not None and self.reaches_details:
            side = self.detail.side or self.detail.size or min(self.width, self.height)
            found.append(PassSize(steps=self.detail.count * self.detail_steps_run, width=side, height=side))
        return tuple(found)

    @property
    def _picture_passes(self) -> tuple[PassSize, ...]:
        """Those before its details."""
        found = [PassSize(steps=self.steps_run, width=self.width, height=self.height)]
        if self.hires is not None:
            width, height = self.hires.size(self.width, self.height)
            found.append(PassSize(steps=self.second_steps_run, width=width, height=height))
        if self.refiner is not None:
            found[-1:] = self.refiner.shared(found[-1], self._last_steps[0])
        return until(found, self.stop_after)

    @property
    def steps_run(self) -> int:
        """Steps of the first pass that really run: int(steps × strength), as every Stable Diffusion program counts."""
        return self.steps if self.init is None else steps_at(self.init.strength, self.steps)

    @property
    def second_steps_run(self) -> int:
        """Likewise of the second; 0: there is none."""
        return 0 if self.hires is None else steps_at(self.hires.strength, self.hires.steps or self.steps)

    @property
    def _last_steps(self) -> tuple[int, int]:
        """Steps of the pass that a refiner ends, and those of them that run."""
        if self.hires is None:
            return self.steps, self.steps_run
        return self.hires.steps or self.steps, self.second_steps_run

    @property
    def refiner_steps(self) -> int:
        """That its refiner runs."""
        return 0 if self.refiner is None else self.refiner.steps_of(*self._last_steps)

    @property
    def detail_steps_run(self) -> int:
        """Likewise of each of its details; 0: none are repainted."""
        return 0 if self.detail is None else self.detail.steps_run(self.steps)

    @property
    def all_steps(self) -> int:
        """That run for one image."""
        return sum(one.steps for one in self.passes)

    @property
    def work(self) -> int:
        """Of one image; see `PassSize`."""
        return sum(one.work for one in self.passes)

    @property
    def images(self) -> int:
        return self.batch_size * self.batches

    def batches_from(self, seed: int) -> Iterator[Batch]:
        """The batches of this run: image i has seed + i, wrapping at 2^32; or all the same and a variation seed + i."""
        for first in range(0, self.images, self.batch_size):
            yield self.batch_at(seed, first)

    def batch_at(self, seed: int, first: int) -> Batch:
        """The one whose first image is `first` places on from `seed`, or back."""
        if self.variation is None or not self.varies:
            seeds = tuple((seed + first + n) % SEED_END for n in range(self.batch_size))
            return Batch(request=self, seeds=seeds)
        request = replace(self, variation=self.variation.moved(first)) if first else self
        return Batch(request=request, seeds=(seed,) * self.batch_size)

    @property
    def varies(self) -> bool:
        """Whether its images share a seed and differ by their variation seeds."""
        return self.variation is not None and self.variation.strength > 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What the engine computes at once. Pixels depend on its size and an image's place in it: both are recorded."""

    request: GenerationRequest
    seeds: tuple[int, ...]
    threads: int | None = None  # CPU threads to compute with; None: the engine's choice
    prompt_rules: int = PROMPT_RULES  # by which its prompts are read
    attention: bool = False  # whether each result tells where words look; changes no pixel
    filming: Filming | None = None
    dissolving: Dissolving | None = None
    anatomy: bool = False  # whether it is told what the networks are made of; changes no pixel

    @classmethod
    def around(
        cls, request: GenerationRequest, position: int, threads: int | None = None, prompt_rules: int = PROMPT_RULES
    ) -> Batch:
        """The batch that made the image of `request` (as run, so with its own seed) at `position`."""
        if request.seed is None or not 0 <= position < request.batch_size:
            raise InvalidRequest("position", "whole_number", low=0, high=request.batch_size - 1, value=position)
        return replace(request.batch_at(request.seed, -position), threads=threads, prompt_rules=prompt_rules)

    def stopped(self, after: int) -> Batch:
        """As it was run, where it ended after so many steps; 0: it ran them all, or as many as were asked for."""
        return replace(self, request=replace(self.request, stop_after=after)) if after else self

    def as_run(self, position: int, facts: Mapping[str, Any] = MappingProxyType({})) -> GenerationRequest:
        """The request of one image: its own seed, one batch of the same size, what its run settled by these facts."""
        run = replace(self.request, seed=self.seeds[position], batches=1, batch_size=len(self.seeds))
        if run.detail is not None and DETAILS in facts:
            settled = {name: facts[DETAILS][name] for name in SETTLED}
            run = replace(run, detail=replace(run.detail, **settled))
        if run.variation is None or not run.varies:
            return run
        return replace(run, variation=run.variation.moved(position))


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a batch is. `stage`: loading, encoding, denoising, decoding; on the way to a model also `converting` and
    `loading PART`, whose steps are percent; of pictures that are embedded: embedding. `waiting`: nothing is new."""

    stage: str
    step: int = 0
    steps: int = 0
    preview: bytes | None = None  # JPEG, at most 256 pixels a side
    warning: Note | None = None  # what a person should see; the run goes on
    pass_number: int = 1  # of the passes that this batch goes through; steps are the pass's own
    passes: int = 1


Facts = Mapping[str, Any]  # JSON values: what was true when the image was made
Embedding = tuple[float, ...]  # of a picture, (width of the encoder's projection,), of any length


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationResult:
    """One image and the request as run: seed never None, batches 1."""

    image: Image
    request: GenerationRequest
    position: int  # in its batch
    seconds: float  # of the whole batch
    facts: Facts = field(default_factory=dict)
    attention: Attention | None = None  # when the batch asked for it
    moments: tuple[Moment, ...] = ()  # likewise, of the image that was filmed
    blocks: tuple[Block, ...] = ()  # likewise, of the model; with the batch's first image


# may raise Cancelled or Skipped: the engine stops within one step; while it denoises also Kept: it ends that there
OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelInfo:
    """What is known of a model without loading it."""

    name: str
    family: str  # the `name` of one in `pipelines.families`; "unknown"
    path: str
    bytes: int = 0
    native_size: int = 512  # pixels a side
    guidance: float = 7.0  # what suits it, where nobody says otherwise
    steps: int | None = None  # likewise; None: as the page has it
    sampler: str | None = None  # the only one that it takes; None: it takes all
    sha256: str | None = None  # None: not computed yet
    altered: tuple[str, float] | None = None  # other bytes of the same size and time: see `Hashes.altered`
    inpainting: bool = False  # nine input channels
    problem: Note | None = None  # why it cannot be loaded
    kind: str = "checkpoint"  # or "lora", "lycoris", "vae", "embedding", "controlnet", …; "unknown" for broken files
    variant: str = ""  # "", "inpaint", "pix2pix", "unCLIP", "depth", "upscale", "distilled"; "dev" … for Flux
    layout: str = "single"  # "single" (safetensors), "pickle" (converted at first use), "folder" (diffusers)
    prediction_type: str | None = None  # "epsilon", "v_prediction", "edm", "flow"; None: the file does not say
    zero_terminal_snr: bool = False
    parts: tuple[str, ...] = ()  # of "unet", "transformer", "vae", "text_encoder", "image_encoder", "ema"; () unknown
    dtype: str = ""  # "float16", …: what most of its tensors are
    fits: tuple[str, ...] = ()  # the families that a VAE may be for: their VAEs have the same shapes
    seen: tuple[str, ...] = ()  # what an image encoder gives, and what of that an IP-Adapter reads, each with its width

    @property
    def builtin(self) -> bool:
        """Whether it is a model that ships with the project."""
        return self.family in BUILT_IN and self.kind == "checkpoint"


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
    message: Note | None = None  # why it failed
    memory_bytes: int | None = None  # of the card, or main memory where there is none; None: not known yet
    memory_free_bytes: int | None = None  # what a model and its work may take of it, the model there now included
    memory_moves: bool = True  # weights may leave the device for main memory
    # by family: what the work of a "step" and a "decode" took here, divided by what was predicted
    memory_learned: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    model: str = ""  # the one in use, by its name
    busy: bool = False  # a batch is at work
    name: str = ""  # of the device where there are several: "cuda:1"


REQUEST_FIELDS = fields_of(GenerationRequest)  # each written once, above
