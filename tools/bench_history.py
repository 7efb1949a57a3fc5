"""Measures the archive at its promised size: `python -m tools.bench history [--images 100000] [--folder DIR]`.

1 writes that many real small PNG files with whole settings, as the store writes them, prompts in English and Chinese
2 makes the index from the files (`python app.py index`)
3 times opening the index (what a start waits for) and the look for changes that runs behind it
4 times pages, searches and filters on it, each several times; the slowest of the medians counts
5 times thumbnails of 512² pictures, made and kept

Timings on a shared machine are noisy: processor time is told beside the clock's, and the load before and after.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image

from webui.archive.containers import png_info
from webui.archive.history import History
from webui.archive.metadata import Record, to_infotext
from webui.archive.search import Query, place
from webui.archive.thumbnails import Thumbnails

START = datetime(2024, 1, 1, 9, tzinfo=UTC)
PER_DAY = 200
THINGS = ("cat", "castle", "star", "forest", "ship", "princess", "robot", "dragon", "city", "river", "flower", "lamp")
STYLES = ("oil painting", "cyberpunk", "watercolour", "pixel art", "candle light", "3d render", "matte painting")
CHINESE = (
    "一只可爱的小猫",
    "星空下的城堡",
    "水墨山水",
    "赛博朋克城市",
    "穿汉服的少女",
    "红色的星星",
    "雪山日出",
    "机械巨龙",
)
MODELS = ("builtin", "v1-5-pruned", "sdxl-base", "anything-v5")
SAMPLERS = ("DPM++ 2M", "Euler a", "DDIM", "UniPC")
RARE = "zeppelin"
COMMON = "of"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="kept and used again; else a temporary one")


def bench_history(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        return bench(arguments.folder or Path(temporary), arguments.images, arguments.rounds)


def bench(folder: Path, images: int, rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "images": images,
        "cores": os.cpu_count(),
        "load_before": load(),
        "sqlite": sqlite3.sqlite_version,
    }
    root, data = folder / "outputs", folder / "data" / "history.sqlite"
    found["write files"] = seconds(lambda: write_files(root, images))
    history = History(data, root)
    found["re-index"] = seconds(lambda: history.rebuild(told))
    found["indexed"] = history.count(Query())
    history.close()
    found["index_megabytes"] = round(data.stat().st_size / 1e6, 1)
    found["open"] = milliseconds(lambda: History(data, root).close(), rounds)
    history = History(data, root)
    found["look for changes"] = seconds(lambda: history.refresh())
    mark_some(history)
    found["page"] = pages(history, rounds)
    found["search"] = searches(history, rounds)
    found["count"] = milliseconds(lambda: history.count(Query(words=COMMON)), rounds)
    found["facets"] = milliseconds(history.facets, rounds)
    history.close()
    found["thumbnail"] = small_ones(folder, rounds)
    found["load_after"] = load()
    return found


def small_ones(folder: Path, rounds: int) -> dict[str, Any]:
    """Of noise, which packs worst."""
    thumbnails = Thumbnails(folder / "data" / "thumbs.sqlite")
    path = folder / "noise.png"

    def make() -> None:
        path.touch()  # another time stamp: not the one that is kept
        thumbnails.get(path)

    Image.merge("RGB", [Image.effect_noise((512, 512), 90) for _ in "RGB"]).save(path)
    found = {"made": milliseconds(make, rounds), "kept": milliseconds(lambda: thumbnails.get(path), rounds)}
    thumbnails.close()
    return found


def write_files(root: Path, images: int) -> None:
    """Real files; nothing is written twice, so that a kept folder serves again."""
    choose = random.Random(7)
    sheet = Image.new("RGB", (64, 64), (90, 120, 150))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    plain = buffer.getvalue()
    head, rest = plain[:33], plain[33:]  # signature and IHDR, then the pixels
    for number in range(images):
        made_at = START + timedelta(days=number // PER_DAY, seconds=number % PER_DAY * 60)
        folder = root / "txt2img" / made_at.date().isoformat()
        path = folder / f"{number:06d}.png"
        record = a_record(choose, number, made_at)
        if path.is_file():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        chunks = png_info(record.to_json(), to_infotext(record)).chunks
        texts = io.BytesIO()
        for kind, body, *_ in chunks:
            put_chunk(texts, kind, body)
        path.write_bytes(head + texts.getvalue() + rest)


def put_chunk(file: io.BytesIO, kind: bytes, body: bytes) -> None:
    import zlib

    file.write(len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big"))


def a_record(choose: random.Random, number: int, made_at: datetime) -> Record:
    styles = ", ".join(choose.sample(STYLES, 4))
    prompt = f"a picture of a {choose.choice(THINGS)} and a {choose.choice(THINGS)}, {styles}"
    if number % 2:
        prompt = f"{choose.choice(CHINESE)}，{choose.choice(CHINESE)}，{prompt}"
    if number % 5000 == 11:
        prompt += f", {RARE}"
    settings = {
        "prompt": prompt,
        "negative_prompt": "lowres, bad anatomy, bad hands, text, error, cropped, worst quality, low quality",
        "model": choose.choice(MODELS),
        "sampler": choose.choice(SAMPLERS),
        "schedule": "karras",
        "steps": 20,
        "guidance": 7.0,
        "width": 64,
        "height": 64,
        "batch_size": 1,
        "batches": 1,
        "seed": number,
        "clip_skip": 1,
        "init": None,
        "inpaint": None,
    }
    digest = f"{number:064x}"
    facts = {"torch": "2.13.0", "device": "cuda", "dtype": "float16", "model": {"name": "x", "sha256": "0" * 64}}
    return Record(settings=settings, position=0, seconds=2.5, pixels_sha256=digest[::-1], made_at=made_at, facts=facts)


def mark_some(history: History) -> None:
    """A thousand stars and tags."""
    page = history.search(Query(), 1000)
    identities = [entry.saved.id for entry in page.entries]
    history.rate(identities[::2], 4)
    history.tag(identities[::3], add=["best"])


def pages(history: History, rounds: int) -> dict[str, dict[str, float]]:
    """A page of 60, at the top and far down."""
    rows = history._reader.execute(
        "SELECT number FROM images ORDER BY number LIMIT 1 OFFSET (SELECT count(*) / 2 FROM images)"
    )
    far = place(0, rows.fetchone()[0])
    day = START.date() + timedelta(days=100)
    month = {"since": day, "until": day + timedelta(days=30)}
    asked: dict[str, tuple[Query, str | None]] = {
        "newest": (Query(), None),
        "newest, half way down": (Query(), far),
        "oldest": (Query(sort="oldest"), None),
        "largest": (Query(sort="largest"), None),
        "most stars": (Query(sort="rating"), None),
        "one model": (Query(model="builtin"), far),
        "one month, long ago": (Query(**month), None),  # type: ignore[arg-type]
        "four stars and more": (Query(rating=4), None),
        "a tag": (Query(tag="best"), None),
        "a seed": (Query(seed=4711), None),
        "not made again": (Query(proof="not_yet"), None),
        "identical when made again": (Query(proof="identical"), None),
        "a size nobody has": (Query(width=512, height=768), None),
    }
    return {name: milliseconds(lambda q=q, a=a: history.search(q, 60, a), rounds) for name, (q, a) in asked.items()}  # type: ignore[misc]


def searches(history: History, rounds: int) -> dict[str, dict[str, float]]:
    asked = {
        "a word in every prompt": Query(words=COMMON),
        "a rare word": Query(words=RARE),
        "no such word": Query(words="xylophone"),
        "the beginning of a word": Query(words="c"),
        "three words": Query(words="cat castle cyberpunk"),
        "a phrase": Query(words='"oil painting"'),
        "without a word": Query(words="cat -castle"),
        "1 Chinese character": Query(words="猫"),
        "2 Chinese characters": Query(words="星空"),
        "4 Chinese characters": Query(words="赛博朋克"),
        "words and a tag": Query(words=COMMON, tag="best"),
        "words and a model": Query(words=COMMON, model="builtin"),
        "words and a day long ago": Query(words=COMMON, since=date(2024, 1, 2), until=date(2024, 1, 2)),
        "words, largest first": replace(Query(words="cat"), sort="largest"),
    }
    return {name: milliseconds(lambda q=q: history.search(q, 60), rounds) for name, q in asked.items()}  # type: ignore[misc]


def seconds(work: Callable[[], object]) -> dict[str, float]:
    clock, cpu = timed(work)
    return {"seconds": round(clock, 2), "cpu": round(cpu, 2)}


def milliseconds(work: Callable[[], object], rounds: int) -> dict[str, float]:
    """Medians."""
    found = [timed(work) for _ in range(rounds)]
    clock, cpu = (round(statistics.median(one) * 1000, 1) for one in zip(*found, strict=True))
    return {"ms": clock, "cpu": cpu}


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """By the clock, and of processors: those of ended child processes too."""
    begun, before = time.perf_counter(), processor_time()
    work()
    return time.perf_counter() - begun, processor_time() - before


def processor_time() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def load() -> float | None:
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def told(done: int, of: int) -> None:
    if done % 10_000 < 200:
        print(f"\r{done:,} of {of:,}", end="", file=sys.stderr, flush=True)
