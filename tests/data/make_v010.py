"""Makes the folder `v0.1.0` with the program as version 0.1.0 (commit 44fa808), so in a checkout of that:

    python PATH/TO/make_v010.py FOLDER

Everything goes the way it went there: pictures through the job service and the worker process, forms and settings
through the page's events, a few pictures through the command line. It is not run again: the folder is kept.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, os.getcwd())  # noqa: PTH109  the checkout of 0.1.0

import torch
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw, PngImagePlugin
from safetensors.torch import save_file

from pipelines.groups import MASKED_CONTENTS, RESIZE_MODES, InitImage, Inpaint
from pipelines.models.peaks import Measured, Peaks
from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import GenerationRequest
from tests.ui.conftest import Page
from tools.make_random_checkpoint import RandomModel
from webui.archive import VERSION, metadata
from webui.archive.store import Saving
from webui.archive.trash import Trash
from webui.lab.axes import Axis
from webui.lab.experiments import Experiment
from webui.lab.questions import Grid, Symbols
from webui.library.saved import SavedPresets
from webui.parts import Parts, build_parts
from webui.server import build_application, make_engine, prepare_environment
from webui.settings import Settings

PLACE = "/SEEDPRINT-0.1.0"  # stands for the folder in whatever holds absolute paths
PLAIN = GenerationRequest(prompt="a red star on a blue background", steps=3, guidance=3.0, width=64, height=64, seed=7)
CHINESE = "模糊，低质量"
LAYERS = ("attn2_to_k", "attn2_to_v")


def settings_in(folder: Path) -> Settings:
    return Settings(output_dir=folder / "outputs", models_dirs=(folder / "models",), data_dir=folder / "data")


@contextlib.contextmanager
def program(folder: Path, *, started: bool = True) -> Iterator[Parts]:
    settings = settings_in(folder)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with build_parts(settings, make_engine(settings), settings.data_dir) as parts:
        parts.store.prepare()
        if started:
            parts.service.start()
        yield parts


def finished(parts: Parts, *jobs: str) -> list[Any]:
    ends = []
    for job in jobs:
        status = parts.service.status(job)
        while status is not None and not status.finished:
            status = parts.service.wait(job, status.version, 5)
        ends.append(status)
    return ends


def made(parts: Parts, *requests: GenerationRequest) -> list[Path]:
    """The files of some requests, each of which must end well."""
    ends = finished(parts, *parts.service.submit_many(list(requests)))
    assert all(end.state == "done" for end in ends), [end.error for end in ends]
    return [saved.path for end in ends for saved in end.saved]


# -- files that pictures are made with ------------------------------------------------------------------------------


def make_models(folder: Path) -> None:
    """A tiny model of random weights (90 MB, taken away again: its tool makes it anew), a LoRA and a learned word."""
    folder.mkdir(parents=True)
    RandomModel("sd15", tiny=True).write_single(folder / "base.safetensors")
    generator = torch.Generator().manual_seed(0)
    lora = {}
    shapes = RandomModel("sd15", tiny=True).shapes["unet"]
    for name, (width, words) in ((key, shape) for key, shape in shapes.items() if len(shape) == 2):
        layer = name.removesuffix(".weight").replace(".", "_")
        if layer.startswith("down") and layer.endswith(LAYERS):
            lora[f"lora_unet_{layer}.lora_down.weight"] = torch.randn(2, words, generator=generator) * 0.1
            lora[f"lora_unet_{layer}.lora_up.weight"] = torch.randn(width, 2, generator=generator) * 0.1
            lora[f"lora_unet_{layer}.alpha"] = torch.tensor(1.0)
    assert lora
    save_file(lora, folder / "soft.safetensors")
    save_file(lora, folder / "gone.safetensors")
    save_file({"emb_params": torch.randn(2, 768, generator=generator)}, folder / "my-word.safetensors")


def start_picture(folder: Path) -> Path:
    """A picture of another program, with its settings."""
    across = Image.linear_gradient("L").resize((96, 80))
    image = Image.merge("RGB", (across, across.rotate(90).resize((96, 80)), across.rotate(180)))
    ImageDraw.Draw(image).ellipse((20, 20, 70, 60), fill=(250, 40, 40))
    info = PngImagePlugin.PngInfo()
    info.add_text(
        "parameters", "a lighthouse\nNegative prompt: fog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"
    )
    image.save(folder / "start.png", pnginfo=info)
    return folder / "start.png"


# -- pictures -------------------------------------------------------------------------------------------------------


def text_requests() -> list[GenerationRequest]:
    """Every sampler, each with one of its schedules; then what a prompt and its settings can be."""
    requests = []
    for number, (name, sampler) in enumerate(SAMPLERS.items()):
        schedule = sampler.schedules[number % len(sampler.schedules)]
        requests.append(replace(PLAIN, sampler=name, schedule=schedule, seed=100 + number))
    return [
        *requests,
        replace(PLAIN, sampler="Euler a", batch_size=2, batches=2),
        replace(PLAIN, prompt="a green cat, 一只猫", negative_prompt=CHINESE),
        replace(PLAIN, prompt="(a red++ star).and(), a blue- sky", negative_prompt="fog++", dialect="compel"),
        replace(PLAIN, prompt='("a red star", "a blue fish").blend(0.7, 0.3)', dialect="compel", sampler="DDIM"),
        replace(PLAIN, prompt="a {red|green|yellow} __builtin-subject__", negative_prompt="{fog|snow}", batches=2),
        replace(PLAIN, prompt="a [red:blue:0.5] (star:1.3) AND a fish :0.6 BREAK [snow]", clip_skip=2),
        replace(PLAIN, guidance=1.0, width=96, height=64, sampler="DDIM"),
        replace(PLAIN, prompt=""),
    ]


def picture_requests(parts: Parts, start: Path) -> list[GenerationRequest]:
    image = metadata.read_input(start, parts.store.inputs)
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).ellipse((24, 20, 60, 56), fill=255)
    requests = [
        replace(PLAIN, init=InitImage(image=image, resize_mode=mode, strength=strength))
        for mode, strength in zip(RESIZE_MODES, (0.4, 0.7, 1.0), strict=True)
    ]
    begun = replace(PLAIN, init=InitImage(image=image, strength=0.7), sampler="Euler a")
    requests += [
        replace(begun, inpaint=Inpaint(mask=mask, masked_content=content, mask_blur=2 + number))
        for number, content in enumerate(MASKED_CONTENTS)
    ]
    requests.append(replace(begun, inpaint=Inpaint(mask=mask, only_masked=True, padding=8)))
    requests.append(replace(begun, inpaint=Inpaint(mask=mask, invert=True, mask_grow=3)))
    requests.append(replace(begun, inpaint=Inpaint(mask=mask, only_masked=True, invert=True)))
    return requests


def adapter_requests() -> list[GenerationRequest]:
    small = replace(PLAIN, model="base", prompt="a cat", steps=2, guidance=5.0, sampler="DDIM")
    return [small, replace(small, prompt="a my-word cat <lora:soft:0.8:0.5>")]


def first_rules(folder: Path) -> None:
    """Prompts that are read otherwise since, in an archive of their own: a value that was passed over, a learned word
    cut in two, tags that stayed words, and a learned word that was never found by its name."""
    odd = folder / "models" / "odd (1).safetensors"
    shutil.copyfile(folder / "models" / "my-word.safetensors", odd)
    settings = Settings(
        output_dir=folder / "prompts", models_dirs=(folder / "models",), data_dir=folder / "prompts-data"
    )
    settings.data_dir.mkdir()
    small = replace(PLAIN, model="base", steps=2, guidance=5.0, sampler="DDIM")
    with build_parts(settings, make_engine(settings), settings.data_dir) as parts:
        parts.store.prepare()
        parts.service.start()
        made(
            parts,
            replace(small, prompt="a cat <lora:soft:0.8:dyn=4>"),
            replace(small, prompt="a cat <lora:soft:0.8:0.5:4>"),
            replace(small, prompt="cat " * 74 + "my-word fish"),
            replace(small, prompt="a cat <lyco:soft:0.8> <lora:soft:0,8>"),
            replace(small, prompt=r"odd \(1\) cat"),
            replace(small, prompt="a cat++ <lora:soft:0.8:dyn=4>", dialect="compel"),
        )
    (long,) = (settings.output_dir / "txt2img").glob("*/00003-*")
    long.rename(long.with_name("00003-7_cat.png"))  # a shorter path, for systems that want one
    odd.unlink()
    shutil.rmtree(settings.data_dir)


def formats(parts: Parts) -> None:
    """Each format, with sidecars and patterns of names; what is kept last is what a person finds again."""
    for number, (kind, pattern, sidecars, grid) in enumerate(
        (
            ("webp", "[number]-[date]-[seed]-[sampler]", ("txt", "json"), "seeds"),
            ("jpeg", "[number]_[model]_[width]x[height]_[prompt]", ("txt",), "plain"),
            ("avif", "[prompt]-[steps]-[number]", (), "none"),
            ("png", "[number]-[seed]_[prompt]_[sampler]", ("json",), "seeds"),
        )
    ):
        saving = Saving(pattern=pattern, format=kind, sidecars=sidecars, grid=grid)
        parts.saving.keep(saving)
        parts.store.saving = saving
        made(parts, replace(PLAIN, prompt=f"a yellow fish, {kind}", seed=30 + number, batch_size=2))


def by_command(folder: Path, start: Path) -> None:
    places = [f"--{name}-dir={folder / kept}" for name, kept in (("output", "outputs"), ("models", "models"))]
    places.append(f"--data-dir={folder / 'data'}")
    small = ["--width=64", "--height=64", "--steps=2", "--seed=11"]
    run = [sys.executable, "app.py"]
    for command in (
        ["generate", "a white house", "--preset", "Plain background", *small],
        ["generate", "a white house", f"--init-image={start}", "--strength=0.6", "--image-format=webp", *small],
        ["generate", "a white house, exact", "--exact", *small],
        ["verify", "--make-golden", "--model=builtin"],
    ):
        subprocess.run([*run, *command, *places, "--no-bootstrap"], check=True)


def guided(folder: Path, start: Path) -> None:
    """A picture that 0.1.0 saved and could not index: its History ended at it, so it has an archive of its own."""
    places = [f"--output-dir={folder / 'guided'}", f"--data-dir={folder / 'guided-data'}", "--no-bootstrap"]
    small = ["--width=64", "--height=64", "--steps=2", "--seed=11", "--image-guidance=2"]
    subprocess.run([sys.executable, "app.py", "generate", "a", f"--init-image={start}", *small, *places], check=False)
    shutil.rmtree(folder / "guided-data", ignore_errors=True)


# -- jobs of every ending -------------------------------------------------------------------------------------------


def jobs(parts: Parts, folder: Path, pictures: list[Path]) -> None:
    """Made again (one of them changed, so it differs), failed at a field, ended by hand."""
    changed = folder / "outputs" / "changed.png"
    record = Image.open(pictures[0])
    info = PngImagePlugin.PngInfo()
    for name, text in record.text.items():
        info.add_itxt(name, text)
    with record.convert("RGB") as image:
        image.putpixel((3, 3), (1, 2, 3))
        image.save(changed, pnginfo=info)
    finished(parts, parts.service.submit_again(changed, pictures[1], pictures[2]))
    long = parts.service.submit(replace(PLAIN, prompt="a long run", steps=4, batches=100, seed=50))
    while not parts.service.status(long).saved:
        time.sleep(0.05)
    parts.service.cancel(long)
    assert finished(parts, long)[0].state == "cancelled"


def failing(parts: Parts, folder: Path) -> str:
    job = parts.service.submit(replace(PLAIN, model="base", prompt="a cat <lora:gone:1>"))
    (folder / "models" / "gone.safetensors").unlink()
    return job


def left_behind(folder: Path, died: bool) -> None:
    """Closed with work in the queue; started again, and dead in the middle of it."""
    with program(folder) as parts:
        if not died:
            parts.service.submit(replace(PLAIN, prompt="a run in three parts", batches=3, steps=40, seed=60))
            parts.service.submit(replace(PLAIN, prompt="a queued star", seed=61))
            cells = replace(PLAIN, steps=40)
            parts.lab.submit(Experiment(name="Unfinished", base=cells, seeds=(1, 2, 3), question=Symbols(phrase="red")))
        first = parts.service.unfinished()[0].id
        while len(parts.service.status(first).saved) <= died:
            time.sleep(0.02)
        if died:
            os._exit(1)


# -- what a person keeps --------------------------------------------------------------------------------------------


def experiments(parts: Parts) -> None:
    grid = Grid(axes=(Axis(field="guidance", values=(2.0, 5.0)), Axis(field="steps", values=(2, 3))))
    symbols = Symbols(phrase="red", symbols=("!", "?"))
    for experiment in (
        Experiment(name="Guidance × steps", base=PLAIN, seeds=(5,), question=grid),
        Experiment(name="红 !", base=PLAIN, seeds=(1, 2), question=symbols),
    ):
        finished_experiment(parts, parts.lab.submit(experiment))
    stopped = parts.lab.submit(
        Experiment(name="Stopped", base=replace(PLAIN, steps=20), seeds=(8, 9), question=symbols)
    )
    while not (status := parts.lab.status(stopped)).done:
        parts.lab.wait(stopped, status.version, 1)
    parts.lab.cancel(stopped)
    finished_experiment(parts, stopped)


def finished_experiment(parts: Parts, identity: str) -> None:
    while not (status := parts.lab.status(identity)).over:
        parts.lab.wait(identity, status.version, 1)
    while parts.lab.results(identity) is None:
        time.sleep(0.05)


def forms(parts: Parts) -> None:
    """Through the page's own events, as a person who types."""
    kept = {
        "txt2img": {"prompt": "a kept prompt, 保留", "negative_prompt": CHINESE, "steps": 33, "sampler": "UniPC"},
        "img2img": {"prompt": "kept for img2img", "strength": 0.35, "resize_mode": "pad", "seed": 12345},
        "inpaint": {"prompt": "kept for inpaint", "mask_blur": 9, "invert": True, "masked_content": "latent noise"},
    }
    with TestClient(build_application(parts)) as client:
        page = Page(client, parts, None, Path())  # type: ignore[arg-type]
        for tab, fields in kept.items():
            shown = page.call(f"{tab}_find")[f"{tab}_defaults"]
            state = shown["value"] if "__type__" in shown else shown
            values = {f"{tab}_defaults": state}
            for name, value in fields.items():
                values[f"{tab}_{name}"] = value
                page.call(f"{tab}_keep", values)


def presets(folder: Path) -> None:
    saved = SavedPresets(folder)
    saved.save("My stars", {"prompt": "a red star", "steps": 12, "sampler": "DDIM"}, about="for the sky")
    saved.save("我的风格", {"prompt": "{prompt}, 水彩", "negative_prompt": "fog", "guidance": 4.5})
    saved.save("My stars", {"prompt": "a blue star", "steps": 15, "sampler": "DDIM"}, replace=True)
    saved.save("Thrown away", {"prompt": "gone"})
    saved.delete("Thrown away")
    saved.duplicate("My stars")
    saved.move("我的风格", 0)


def keep(parts: Parts, folder: Path, pictures: list[Path]) -> None:
    history = parts.history
    history.refresh()
    identities = [history.identity(path) for path in pictures]
    history.rate(identities[:1], 5)
    history.rate(identities[1:3], 2)
    history.tag(identities[:2], add=["best", "红星"])
    trash = Trash(history)
    trash.delete(identities[3:5])
    trash.move(identities[5:6], "chosen/stars")
    for path in pictures[:3]:
        parts.thumbnails.get(path)
    models = {model.name: model for model in parts.service.models()}
    parts.service.shelf.settings.put(models["builtin"], {"steps": 9, "guidance": 4.0, "sampler": "DDIM"})
    parts.service.shelf.settings.put(models["base"], {"clip_skip": 2, "prediction_type": "v_prediction"})
    peaks = Peaks(folder / "data" / "peaks.json")
    for stage, taken in (("step", 3.1e8), ("step", 2.7e8), ("decode", 4.4e8)):
        peaks.learn("cpu", "sd1", Measured(stage=stage, predicted=2e8, taken=taken))


# -- the folder as it is kept ---------------------------------------------------------------------------------------


def tidy(folder: Path) -> None:
    """Databases whole in one file, no absolute path of this computer, nothing that is made anew at each start."""
    (folder / "models" / "base.safetensors").unlink()
    shutil.rmtree(folder / "data" / "page", ignore_errors=True)
    (folder / "data" / "lock").unlink(missing_ok=True)
    (folder / "start.png").unlink()
    here, checkout = str(folder), os.getcwd()  # noqa: PTH109
    for file in (folder / "data").glob("*.sqlite"):
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("PRAGMA journal_mode = DELETE")
            for table, columns in texts(database):
                for column in columns:
                    database.execute(
                        f"UPDATE {table} SET {column} = replace(replace({column}, ?, ?), ?, ?)"
                        f" WHERE typeof({column}) = 'text'",
                        (here, PLACE, checkout, f"{PLACE}/program"),
                    )
            database.execute("VACUUM")
    for file in folder.rglob("*"):
        assert not file.is_file() or here.encode() not in file.read_bytes(), file


def texts(database: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if not table.startswith(("words", "sqlite_")):  # the full text index holds no paths
            columns = database.execute(f"PRAGMA table_info({table})").fetchall()
            yield table, [name for _, name, kind, *_ in columns if kind == "TEXT"]


def main(folder: Path) -> None:
    assert VERSION == "0.1.0"
    folder.mkdir(parents=True)
    make_models(folder / "models")
    start = start_picture(folder)
    prepare_environment(folder / "data")
    with program(folder, started=False) as parts:
        failed = failing(parts, folder)
        parts.service.start()
        parts.lab.start()
        assert finished(parts, failed)[0].state == "failed"
        pictures = made(parts, *text_requests())
        made(parts, *picture_requests(parts, start), *adapter_requests())
        jobs(parts, folder, pictures)
        experiments(parts)
        formats(parts)
        forms(parts)
        keep(parts, folder, pictures)
    shutil.copytree(folder / "data" / "remade", folder / "remade")  # each start empties it
    presets(folder / "presets")
    by_command(folder, start)
    left_behind(folder, died=False)
    died = multiprocessing.get_context("spawn").Process(target=left_behind, args=(folder, True))
    died.start()
    died.join()
    shutil.rmtree(folder / "data" / "remade", ignore_errors=True)
    (folder / "remade").rename(folder / "data" / "remade")
    guided(folder, start)
    first_rules(folder)
    tidy(folder)
    print(json.dumps({"files": sum(file.is_file() for file in folder.rglob("*"))}))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
