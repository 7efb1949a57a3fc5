"""`python -m tools.train_builtin.judge`: measures the built-in model on prompts whose attribute pairs it never met.

Every number is a share of prompts. Beside the generator stand two ceilings: the judge on real renders of the same
pictures, and on those renders after a trip through the VAE.
"""

import argparse
import json
import multiprocessing
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from tqdm import tqdm  # type: ignore[import-untyped]

from tools.train_builtin import judge_net
from tools.train_builtin.captions import caption, plain_prompt
from tools.train_builtin.render import render
from tools.train_builtin.together import compute_dtype, images_to_tensor
from tools.train_builtin.world import HEADS, Picture, draw_picture, held_out_background, held_out_colour, labels

JUDGE_PATH = Path("webui/lab/judge.safetensors")
MODEL_PATH = Path("pipelines/builtin")
STEPS, GUIDANCE, BATCH = 20, 3.0, 6
SEVEN = list(HEADS)[:7]
SAMPLERS = {
    "DPM++ 2M": "DPMSolverMultistepScheduler",
    "DDIM": "DDIMScheduler",
    "Euler": "EulerDiscreteScheduler",
    "Euler a": "EulerAncestralDiscreteScheduler",
    "UniPC": "UniPCMultistepScheduler",
    "PNDM": "PNDMScheduler",
    "Heun": "HeunDiscreteScheduler",
}
GUIDANCES = (1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 12.0)
HEADLINE = "held-out"
NEVER_MET = ("never-met subject and colour", "never-met subject and background")  # together the headline
SHAPES = ((96, 96), (96, 128), (128, 96), (128, 192), (192, 128), (160, 160), (192, 192))  # width, height


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One picture to ask for, and how."""

    section: str
    picture: Picture
    prompt: str
    seed: int
    guidance: float = GUIDANCE
    sampler: str = "DPM++ 2M"
    width: int = 128
    height: int = 128


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many prompts each section gets."""

    main: int = 510
    seen: int = 60
    two: int = 60
    paraphrase: int = 60
    row: int = 24  # for each guidance, sampler and size


def _single(rng: random.Random, kind: str) -> Picture:
    """A sharp one-subject picture: of a never-met subject and colour, subject and background, or of met pairs."""
    while True:
        picture = draw_picture(rng, held_out=kind != "seen", two_share=0.0)
        colour = held_out_colour(picture.subject, picture.colour)
        background = held_out_background(picture.subject, picture.background)
        if not picture.blurred and {"colour": colour, "background": background}.get(kind, True):
            return picture


def make_trials(plan: Plan) -> list[Trial]:
    """The prompts of all sections, the same on every run."""
    rng = random.Random("judge")
    kinds = zip(NEVER_MET, ("colour", "background"), strict=True)
    trials = [_trial(section, _single(rng, kind), seed) for section, kind in kinds for seed in range(plan.main // 2)]
    trials += [_trial("met pairs", _single(rng, "seen"), seed) for seed in range(plan.seen)]
    trials += [_trial("two subjects", _pair(rng), seed) for seed in range(plan.two)]
    for seed in range(plan.paraphrase):
        picture = _single(rng, "colour" if seed % 2 else "background")
        trials.append(replace(_trial("paraphrases", picture, seed), prompt=_full_caption(picture, rng)))
    common = [_trial("", _single(rng, "colour" if seed % 2 else "background"), seed) for seed in range(plan.row)]
    for guidance in GUIDANCES:
        trials += [replace(trial, section=f"guidance {guidance:g}", guidance=guidance) for trial in common]
    for sampler in SAMPLERS:
        trials += [replace(trial, section=f"sampler {sampler}", sampler=sampler) for trial in common]
    for width, height in SHAPES:
        trials += [replace(t, section=f"size {width}x{height}", width=width, height=height) for t in common]
    return trials


def _trial(section: str, picture: Picture, seed: int) -> Trial:
    return Trial(section=section, picture=picture, prompt=plain_prompt(picture), seed=seed)


def _pair(rng: random.Random) -> Picture:
    while True:
        picture = draw_picture(rng, held_out=False, two_share=1.0)
        if not picture.blurred:
            return picture


def _full_caption(picture: Picture, rng: random.Random) -> str:
    """A free caption, but one that names colour, background and time: what is left out cannot be judged."""
    from tools.train_builtin.captions import COLOUR_WORDS, SCENE_PHRASES, TIME_PHRASES

    while True:
        text = caption(picture, rng)
        wanted = [COLOUR_WORDS[picture.colour]]
        wanted.append(COLOUR_WORDS[picture.background] if picture.plain else SCENE_PHRASES[picture.background])
        if picture.time != "none":
            wanted.append(TIME_PHRASES[picture.time])
        if all(any(word in text for word in words) for words in wanted):
            return text


_PIPELINE: list[StableDiffusionPipeline] = []


def _load(model: Path) -> None:
    """Give this worker process its pipeline."""
    torch.set_num_threads(1)
    _PIPELINE.append(load_pipeline(model))


def load_pipeline(model: Path, dtype: torch.dtype | None = None) -> StableDiffusionPipeline:
    """The built-in model, quiet; in the type this CPU computes fastest."""
    dtype = dtype or compute_dtype(torch.device("cpu"))
    pipeline = StableDiffusionPipeline.from_pretrained(model, dtype=dtype, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    for part in (pipeline.unet, pipeline.vae):
        part.to(memory_format=torch.channels_last)  # a tenth quicker on a CPU
    return pipeline


def _draw(trials: Sequence[Trial]) -> NDArray[np.uint8]:
    """Images (n, height, width, 3) of trials that share everything but prompt and seed."""
    pipeline, first = _PIPELINE[0], trials[0]
    pipeline.scheduler = getattr(diffusers, SAMPLERS[first.sampler]).from_config(pipeline.scheduler.config)
    images = pipeline(
        [trial.prompt for trial in trials],
        num_inference_steps=STEPS,
        guidance_scale=first.guidance,
        width=first.width,
        height=first.height,
        generator=[torch.Generator().manual_seed(1000 + trial.seed) for trial in trials],
    ).images
    return np.stack([np.asarray(image) for image in images])


def draw_all(pool: Pool, trials: Sequence[Trial], name: str) -> list[NDArray[np.uint8]]:
    """One image per trial of a section, drawn by the pool's one-thread processes."""
    batches = [trials[start : start + BATCH] for start in range(0, len(trials), BATCH)]
    drawn = tqdm(pool.imap(_draw, batches), total=len(batches), desc=name, mininterval=10)
    return [image for images in drawn for image in images]


def score(trials: Sequence[Trial], images: Sequence[NDArray[np.uint8]], judge: judge_net.Judge) -> dict[str, Any]:
    """Per attribute, joint and colour-check shares of one section."""
    read = np.concatenate([judge.read(image[None]) for image in images])
    right = read == np.array([labels(trial.picture) for trial in trials])
    names = list(HEADS)[:9] if trials[0].picture.second else SEVEN
    figures: dict[str, Any] = {"n": len(trials)}
    figures |= {name: _share(right[:, list(HEADS).index(name)]) for name in names}
    figures["subject + colour + background"] = _share(right[:, :3].all(1))
    if trials[0].picture.second:
        both = [list(HEADS).index(name) for name in ("subject", "colour", "second subject", "second colour")]
        figures["both subjects, both colours"] = _share(right[:, both].all(1))
        return figures
    figures["all seven"] = _share(right[:, :7].all(1))
    checks = [judge_net.colour_checks(image, t.picture) for image, t in zip(images, trials, strict=True)]
    figures["pixels: background colour"] = _share([check[0] for check in checks if check[0] is not None])
    figures["pixels: subject colour present"] = _share([check[1] for check in checks])
    return figures


def _share(values: Any) -> float:
    return round(float(np.mean(values)), 3)


def sections_of(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """The trials of each section, in order."""
    sections: dict[str, list[Trial]] = {}
    for trial in trials:
        sections.setdefault(trial.section, []).append(trial)
    return sections


@torch.no_grad()
def ceilings(trials: Sequence[Trial], model: Path, judge: judge_net.Judge) -> dict[str, Any]:
    """The judge on real renders of the pictures, and on those after the VAE."""
    trials = trials[::2]
    rng = random.Random("ceilings")
    images = [np.asarray(render(trial.picture, rng).image) for trial in trials]
    vae = load_pipeline(model, torch.float32).vae
    again, errors = [], []
    for start in range(0, len(images), 10):
        x = images_to_tensor(np.stack(images[start : start + 10]), torch.device("cpu"))
        y = vae.decode(vae.encode(x).latent_dist.mean).sample.clamp(-1, 1)
        errors.append(float((y - x).pow(2).mean()))
        again += list(((y + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy())
    return {
        "renders": score(trials, images, judge),
        "renders through the VAE": score(trials, again, judge),
        "VAE PSNR (dB)": round(-10 * float(np.log10(np.mean(errors) / 4)), 2),
    }


def by_subject(trials: list[Trial], images: list[NDArray[np.uint8]], judge: judge_net.Judge) -> dict[str, float]:
    """How often each subject was recognised."""
    read = np.concatenate([judge.read(image[None]) for image in images])[:, 0]
    asked = np.array([labels(trial.picture)[0] for trial in trials])
    return {name: _share(read[asked == i] == i) for i, name in enumerate(HEADS["subject"]) if (asked == i).any()}


def measure(trials: Sequence[Trial], pool: Pool, judge: judge_net.Judge, out: Path) -> dict[str, Any]:
    """All sections; what is measured is written at once, and sections already in the file are not drawn again."""
    figures: dict[str, Any] = {"steps": STEPS, "guidance": trials[0].guidance, "sections": {}}
    if out.exists():
        figures = json.loads(out.read_text(encoding="utf-8"))
    met: list[Trial] = []
    images: list[NDArray[np.uint8]] = []
    for name, section in sections_of(trials).items():
        if name in figures["sections"]:
            continue
        drawn = draw_all(pool, section, name)
        figures["sections"][name] = score(section, drawn, judge)
        if name in NEVER_MET:
            met, images = met + section, images + drawn
            figures["sections"][HEADLINE] = score(met, images, judge)
            figures["subjects"] = by_subject(met, images, judge)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.train_builtin.judge", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL_PATH)
    parser.add_argument("--judge", type=Path, default=JUDGE_PATH)
    parser.add_argument("--out", type=Path, default=Path("docs/builtin/figures.json"))
    parser.add_argument("--main", type=int, default=Plan().main, help="held-out prompts")
    parser.add_argument("--row", type=int, default=Plan().row, help="prompts per guidance, sampler and size")
    parser.add_argument("--others", type=int, default=60, help="prompts with met pairs, two subjects, paraphrased")
    parser.add_argument("--guidance", type=float, default=GUIDANCE, help="of all sections but the guidance row")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--fresh", action="store_true", help="forget what the figures file already has")
    options = parser.parse_args()
    torch.set_num_threads(1)
    few = options.others
    trials = make_trials(Plan(main=options.main, row=options.row, seen=few, two=few, paraphrase=few))
    trials = [t if t.section.startswith("guidance") else replace(t, guidance=options.guidance) for t in trials]
    judge = judge_net.read(options.judge)
    if options.fresh:
        options.out.unlink(missing_ok=True)
    with multiprocessing.get_context("spawn").Pool(options.processes, _load, (options.model,)) as pool:
        figures = measure(trials, pool, judge, options.out)
    never_met = [trial for trial in trials if trial.section in NEVER_MET]
    figures["ceilings"] = ceilings(never_met, options.model, judge)
    options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    tqdm.write(json.dumps(figures["sections"][HEADLINE], indent=1))


if __name__ == "__main__":
    main()
