"""Random requests for the promise that every picture can be made again: drawn from a seed, made by the whole product,
made again in a new process, compared. `prove` does it all; `python -m tools.bench verify --count 500` prints it.
"""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from pipelines.details import Detail
from pipelines.engines.worker import WorkerEngine
from pipelines.groups import MASKED_CONTENTS, RESIZE_MODES, SAME, Hires, InitImage, Inpaint, Refiner, Tiles, Variation
from pipelines.leading import BALANCES, GUIDING_METHODS, REGION_DIRECTIONS, Control, Guiding, Reference, Regions, Reuse
from pipelines.sampling.samplers import DENOISERS
from pipelines.shared_database import Database
from pipelines.types import TILINGS, GenerationRequest, Task
from pipelines.upscaling.plain import OF_LATENTS, PLAIN
from tools import random_files
from tools.random_files import LORAS
from webui.archive.history import History
from webui.archive.store import ImageStore
from webui.jobs.kinds import House
from webui.jobs.schema import SCHEMA
from webui.jobs.service import GenerationService
from webui.jobs.table import JobTable
from webui.proof import sweep as verify

SIDES = (64, 72, 80, 96, 112, 128)  # pixels
TASKS: tuple[Task, ...] = ("txt2img", "img2img", "inpaint")
PAIRS = tuple((sampler, schedule) for sampler, spec in DENOISERS.items() for schedule in spec.schedules)
SIZES = (1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8)  # of batches: large ones are rarer, as they take longer
PROMPTS = (
    "a red star",
    "a (green:1.3) house in the [snow]",
    "a ((blue)) fish, (cartoon:0.7)",
    "a [red|yellow] flower",
    "a [cat:fish:0.5] in a meadow",
    "a yellow tree BREAK at night, pixel art",
    "a red house AND a blue star :0.6",
    "a {red|green|blue} {star|fish}",
    "一颗红色的星星",
    "",
)
CHANGING = ("0.8:lbw=OUTALL", "1:lbw=MIDD", "1:stop=0.5", "0@0,1@0.5")  # by blocks, and over the steps
NEGATIVES = ("", "", "blurry", "(night:1.2), grey")
GUIDED = 0.3  # of all have changed guidance
VARIED = 0.2  # of all pictures are variations of a seed
SOFT = 0.3  # of the masks
REUSED = 0.15  # hand inner features from step to step
DETAILED = 0.15  # have parts of the picture refined
CONTROLLED = 0.15  # follow a map
REFERRED = 0.15  # are to be like another picture
REGIONED = 0.15  # have a prompt for each region
TILED = 0.1  # are so large that the network sees them in parts
REFINED = 0.1  # are begun by a larger model, and a refiner runs their last steps
SECONDS = 0.4  # of the pictures from words alone have a second pass
CANCELLED = 10  # every n-th request has several batches and is cancelled once the first is saved


def draw(seed: int, count: int) -> Iterator[GenerationRequest]:
    """`count` requests: every sampler with every schedule it works with, in turn, and all else by chance."""
    choose = random.Random(seed)
    pairs: list[tuple[str, str]] = []
    for number in range(count):
        if not pairs:
            pairs = choose.sample(PAIRS, len(PAIRS))
        sampler, schedule = pairs.pop()
        several = number % CANCELLED == CANCELLED - 1
        request = GenerationRequest(
            prompt=choose.choice(PROMPTS) + _loras(choose),
            negative_prompt=choose.choice(NEGATIVES),
            sampler=sampler,
            schedule=schedule,
            steps=choose.randint(2, 6),
            guidance=choose.choice((1.0, 3.0, 5.5, 9.0)),
            width=choose.choice(SIDES),
            height=choose.choice(SIDES),
            batch_size=choose.choice(SIZES),
            batches=3 if several else 1,
            seed=choose.choice((choose.randrange(2**32), 2**32 - 2)),
            clip_skip=choose.choice((1, 1, 2, 3)),
            stop_after=choose.choice((*(0,) * 7, 1, 2, 4)),
            tiling=choose.choice((*TILINGS, *(TILINGS[0],) * 4)),
            guiding=_guiding(choose) if choose.random() < GUIDED else None,
        )
        if choose.random() < VARIED:
            request = replace(request, variation=_variation(choose))
        if choose.random() < REUSED:
            start = choose.choice((0.0, 0.0, 0.3))
            request = replace(request, reuse=Reuse(interval=choose.choice((2, 3)), start=start))
        request = _started(choose, request, TASKS[number % len(TASKS)])
        request = _regions(choose, request) if choose.random() < REGIONED else request
        request = replace(request, detail=_detail(choose)) if choose.random() < DETAILED else request
        yield _led(choose, _tiled(choose, request) if choose.random() < TILED else request)


def _regions(choose: random.Random, request: GenerationRequest) -> GenerationRequest:
    prompts = ("a red star", "a [blue|green] heart", "a (yellow:1.2) moon :0.8", "a night")
    count, tags = choose.choice((2, 3)), request.prompt.partition(" <lora:")
    regions = Regions(
        direction=choose.choice(REGION_DIRECTIONS),
        ratios=choose.choice(("1:1", "2:1") if count == 2 else ("1:1:2", "1:1")),
        blend=choose.choice((0.0, 0.1, 0.3)),
        middle=choose.choice((0.0, 0.4, 1.0)),
    )
    prompt = " AND ".join(prompts[:count]) + "".join(tags[1:])
    second = None if request.hires is None else replace(request.hires, prompt="")
    return replace(request, prompt=prompt, regions=regions, hires=second)


def _tiled(choose: random.Random, request: GenerationRequest) -> GenerationRequest:
    """One picture that just takes two parts."""
    tiles, long = Tiles(side=256, overlap=choose.choice((0, 64, 128))), choose.choice((264, 288))
    without: dict[str, Any] = {"hires": None, "reuse": None, "tiling": TILINGS[0]}
    return replace(request, tiles=tiles, width=long, height=64, batch_size=1, steps=3, **without)


def _led(choose: random.Random, request: GenerationRequest) -> GenerationRequest:
    """By a map, by another picture, or by models beside which there are neither maps nor LoRAs here."""
    if choose.random() < CONTROLLED:
        request = replace(request, control_1=_control(choose, request))
    if choose.random() < REFERRED:
        request = replace(request, reference_1=_reference(choose))
    if choose.random() >= REFINED:
        return request
    without: dict[str, Any] = {"control_1": None, "reference_1": None, "clip_skip": 1, "stop_after": 0, "steps": 6}
    if request.hires is not None:
        without["hires"] = replace(request.hires, steps=0)  # so many that both models run one
    prompt = request.prompt.partition(" <lora:")[0]
    refiner = Refiner(model=random_files.REFINER, switch_at=choose.choice((0.7, 0.8)))
    return replace(request, model=random_files.BASE, prompt=prompt, refiner=refiner, **without)


def _reference(choose: random.Random) -> Reference:
    picture = _grain(choose, (choose.choice((40, 72)), 56))
    start, end = choose.choice(((0.0, 1.0), (0.0, 0.6), (0.3, 1.0)))
    return Reference(picture=picture, weight=choose.choice((0.3, 0.8, 1.2)), start=start, end=end)


def _control(choose: random.Random, request: GenerationRequest) -> Control:
    """White lines on black, as the one that ships with the project was trained on."""
    only = request.init is not None and request.inpaint is not None and request.inpaint.only_masked
    picture = Image.new("RGB", request.init.image.size if only and request.init else (request.width, request.height))
    corners = [choose.randrange(8, 56) for _ in range(6)]
    ImageDraw.Draw(picture).polygon(list(zip(corners[::2], corners[1::2], strict=True)), outline="white", width=2)
    start, end = choose.choice(((0.0, 1.0), (0.0, 0.6), (0.3, 1.0)))
    weight, balance = choose.choice((0.4, 1.0, 1.5)), choose.choice(BALANCES)
    return Control(map=picture, weight=weight, start=start, end=end, balance=balance)


def _detail(choose: random.Random) -> Detail:
    boxes = choose.sample(("0.1,0.2,0.4,0.3", "0.5,0.5,0.5,0.5", "0,0,0.3,1"), choose.choice((1, 2)))
    prompt, strength = choose.choice(("", "a green heart")), choose.choice((0.6, 1.0))
    return Detail(boxes="; ".join(boxes), prompt=prompt, strength=strength, blur=choose.choice((0, 4)), size=64)


def _loras(choose: random.Random) -> str:
    named = choose.choice(((), (), LORAS[:1], LORAS[1:], LORAS))
    weights = (choose.choice(("0.5", "1", "-0.4", "0.8:0.3", *CHANGING)) for _ in itertools.count())
    return "".join(f" <lora:{name}:{weight}>" for name, weight in zip(named, weights, strict=False))


def _started(choose: random.Random, request: GenerationRequest, task: Task) -> GenerationRequest:
    if task == "txt2img":
        return replace(request, hires=_second(choose)) if choose.random() < SECONDS else request
    size = (choose.choice(SIDES), choose.choice(SIDES))
    picture = Image.blend(_grain(choose, size), Image.new("RGB", size, choose.choice(("red", "navy", "white"))), 0.7)
    strength = choose.choice((0.5, 0.75, 1.0))
    init = InitImage(image=picture, strength=strength, resize_mode=choose.choice(RESIZE_MODES))  # type: ignore[arg-type]
    if task == "img2img":
        return replace(request, init=init)
    inpaint = Inpaint(
        mask=_mask(choose, size),
        mask_blur=choose.choice((0, 2, 4, 8)),
        mask_grow=choose.choice((-2, 0, 0, 5)),
        invert=choose.random() < 0.25,
        masked_content=choose.choice(MASKED_CONTENTS),  # type: ignore[arg-type]
        only_masked=choose.random() < 0.4,
        padding=choose.choice((0, 8, 32)),
        soft=choose.random() < SOFT,
    )
    return replace(request, init=init, inpaint=inpaint)


def _grain(choose: random.Random, size: tuple[int, int]) -> Image.Image:
    noise = np.random.default_rng(choose.randrange(2**32)).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(noise)


def _guiding(choose: random.Random) -> Guiding:
    return Guiding(
        method=choose.choice(GUIDING_METHODS),
        zero_steps=choose.choice((0, 1)),
        longest=choose.choice((0.0, 5.0, 15.0)),
        mimicked=choose.choice((2.0, 7.0)),
        percentile=choose.choice((95.0, 100.0)),
        attention=choose.choice((0.0, 0.0, 3.0)),
        layers=choose.choice((0.0, 0.0, 2.0)),
        smoothing=choose.choice((0.0, 0.0, 3.0)),
        blur=choose.choice((0.0, 1.5)),
        freeu=choose.random() < 0.25,
        rescale=choose.choice((0.0, 0.7)),
        start=choose.choice((0.0, 0.0, 0.2)),
        stop=choose.choice((1.0, 1.0, 0.6)),
        least_sigma=choose.choice((0.0, 0.0, 3.0)),
        all_steps=choose.random() < 0.5,
    )


def _variation(choose: random.Random) -> Variation:
    width, height = choose.choice(((0, 0), (0, 0), (64, 96)))
    return Variation(
        seed=choose.choice((choose.randrange(2**32), 2**32 - 2)),
        strength=choose.choice((0.0, 0.1, 0.5, 1.0)),
        from_width=width,
        from_height=height,
    )


def _second(choose: random.Random) -> Hires:
    sampler, schedule = choose.choice(((SAME, SAME), (SAME, SAME), *PAIRS))
    return Hires(
        by=choose.choice((1.25, 1.5, 2.0)),
        width=choose.choice((0, 0, 0, 120)),
        upscaler=choose.choice((*OF_LATENTS, *PLAIN)),
        strength=choose.choice((0.5, 0.75, 1.0)),
        steps=choose.choice((0, 2, 5)),
        sampler=sampler,
        schedule=schedule,
        guidance=choose.choice((0.0, 1.0, 6.0)),
        prompt=choose.choice(("", "", "a blue [heart|fish]")),
        negative_prompt=choose.choice(("", "", "grey")),
    )


def _mask(choose: random.Random, size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    width, height = size
    left, top = choose.randrange(width // 2), choose.randrange(height // 2)
    box = (left, top, choose.randrange(left + 12, width), choose.randrange(top + 12, height))
    shape = choose.choice((ImageDraw.Draw(mask).ellipse, ImageDraw.Draw(mask).rectangle))
    shape(box, fill=choose.choice((255, 255, 128)))
    return mask


def prove(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Makes and saves the pictures of `count` requests, starts a new process, makes all again; what came of it."""
    models, outputs = folder / "models", folder / "outputs"
    random_files.write(models)
    found: dict[str, Any] = {"requests": count, "seed": seed}
    started = time.perf_counter()
    requests = list(draw(seed, count))
    states = _made(folder, requests, [models])
    found["requests_by_state"] = dict(sorted(Counter(states).items()))
    found["seconds_to_make"] = round(time.perf_counter() - started, 1)
    started = time.perf_counter()
    with closing(WorkerEngine([models])) as engine:
        files = verify.files_in([outputs])
        reports = list(verify.sweep(engine, ImageStore(outputs).inputs, files, lambda _: None))
    found["seconds_to_make_again"] = round(time.perf_counter() - started, 1)
    found["pictures"] = len(reports)
    found["identical"] = sum(report.identical for report in reports)
    found["facts_changed"] = sorted({fact for report in reports for fact in report.changed})
    bad = [report for report in reports if not report.identical]
    found["others"] = [report.to_json() for report in bad]
    found["drawn"] = drawn(requests)
    return found


def drawn(requests: Sequence[GenerationRequest]) -> dict[str, int]:
    """How much of everything they ask for."""
    return {
        "tabs": len({request.task for request in requests}),
        "samplers with schedules": len({(request.sampler, request.schedule) for request in requests}),
        "batch sizes": len({request.batch_size for request in requests}),
        "sizes": len({(request.width, request.height) for request in requests}),
        "with changed guidance": sum(request.guiding is not None for request in requests),
        "with features shared between steps": sum(request.reuse is not None for request in requests),
        "variations of a seed": sum(request.variation is not None for request in requests),
        "ended early": sum(request.stop_after > 0 for request in requests),
        "that follow a map": sum(request.control_1 is not None for request in requests),
        "that are to be like another": sum(request.reference_1 is not None for request in requests),
        "with a refiner": sum(request.refiner is not None for request in requests),
        "with a prompt for each region": sum(request.regions is not None for request in requests),
        "with LoRAs by blocks or over the steps": sum(
            any(one in request.prompt for one in CHANGING) for request in requests
        ),
        "seen in parts": sum(request.tiles is not None for request in requests),
        "with refined details": sum(request.detail is not None for request in requests),
        "whose edges meet": sum(request.tiling != TILINGS[0] for request in requests),
        "with a second pass": sum(request.hires is not None for request in requests),
        "with a LoRA": sum("<lora:" in request.prompt for request in requests),
    }


def _made(folder: Path, requests: Sequence[GenerationRequest], models: Sequence[Path]) -> list[str]:
    """Through queue, worker process and store, as from the page; how each ended."""
    store = ImageStore(folder / "outputs")
    with (
        closing(WorkerEngine(models)) as engine,
        closing(Database(folder / "jobs.sqlite", SCHEMA)) as database,
        closing(History(folder / "history.sqlite", store.root)) as history,
        closing(GenerationService(engine, House(store=store, jobs=JobTable(database), history=history))) as service,
    ):
        service.start()
        return [_run(service, request) for request in requests]


def _run(service: GenerationService, request: GenerationRequest) -> str:
    job, version = service.submit(request), -1
    while True:
        status = service.wait(job, version, 5)
        assert status is not None
        if status.finished:
            if status.state == "failed":
                raise RuntimeError(f"{status.error} {request}")
            return status.state
        version = status.version
        if request.batches > 1 and status.image:
            service.cancel(job)
