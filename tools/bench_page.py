"""The page in a browser: what a visit fetches, when the prompt can be used, how soon a click shows.

Beside it, in turns, an empty page of Gradio's: a box and a button, mounted in the same way, without our layer.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.browsers import OPTIONS, usable
from tools.page_weight import Meter, first_sign, watch_box
from tools.page_weight import usable as usable_after

ROOT = Path(__file__).parent.parent
EMPTY = """
import gradio as gr, sys, uvicorn
from fastapi import FastAPI
from webui.server import listen
with gr.Blocks(analytics_enabled=False) as page:
    box = gr.Textbox(elem_id="box")
    gr.Button("Go", elem_id="go").click(lambda text: text, box, gr.Textbox())
listener = listen(0)
application = gr.mount_gradio_app(FastAPI(), page, path="/")
print(f"http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
uvicorn.Server(uvicorn.Config(application, log_level="warning")).run(sockets=[listener])
"""
Row = dict[str, float]
GOALS: Row = {
    "first load, MB": 0.6,
    "reload, MB": 0.1,
    "reload, requests": 5,
    "first load, usable s": 2.5,
    "reload, usable s": 1.2,
    "click to first sign, s": 0.1,
}


@dataclass(frozen=True)
class Site:
    command: tuple[str, ...]
    box: str
    button: str


PRODUCT = Site(
    ("-m", "tests.browser.serve", "{folder}", "0.02"),
    "#form_prompt textarea",
    "#form_generate",
)
BARE = Site(("-c", EMPTY), "#box textarea", "#go")


@contextmanager
def served(site: Site) -> Iterator[str]:
    """The link to it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *(part.replace("{folder}", folder) for part in site.command)]
        environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"}
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, env=environment)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.terminate()
            process.wait(20)
            process.stdout.close()


def visited(browser: Browser, link: str, site: Site) -> Row:
    """One person's first visit, a reload, and a click. Raises RuntimeError when anything else is asked for."""
    context = browser.new_context(locale="en-US", viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        watch_box(page, site.box)
        meter = Meter(page)
        found: Row = {}
        for name, go in (("first load", lambda: page.goto(link)), ("reload", page.reload)):
            traffic = meter.visit(go)
            outside = [one for one in traffic.asked.values() if not one.startswith(link.partition("?")[0])]
            if outside:
                raise RuntimeError(f"asked elsewhere: {outside}")
            found |= {
                f"{name}, MB": traffic.bytes / 1e6,
                f"{name}, requests": len(traffic.real()),
                f"{name}, usable s": usable_after(page),
            }
        found["components"] = page.evaluate("gradio_config.components.length")
        page.locator(site.box).fill("a red star")
        found["click to first sign, s"] = first_sign(page, site.button)
        return found
    finally:
        context.close()


def bench_page(arguments: argparse.Namespace) -> dict[str, Any]:
    program = usable(obtain=False)
    ours: list[Row] = []
    theirs: list[Row] = []
    with served(PRODUCT) as product, served(BARE) as empty, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        for _ in range(arguments.rounds):
            ours.append(visited(browser, product, PRODUCT))
            theirs.append(visited(browser, empty, BARE))
        browser.close()
    rows = {name: compared([one[name] for one in ours], [one[name] for one in theirs]) for name in ours[0]}
    print(table(rows), file=sys.stderr)
    return {"rounds": arguments.rounds, "page": rows, "goals": GOALS}


def compared(ours: list[float], theirs: list[float]) -> Row:
    ratios = [one / other for one, other in zip(ours, theirs, strict=True) if other]
    found = {"page": statistics.median(ours), "empty page": statistics.median(theirs)}
    return {name: round(one, 3) for name, one in (found | {"ratio": statistics.median(ratios or [0])}).items()}


def table(rows: dict[str, Row]) -> str:
    lines = [f"{'median':<26}{'page':>10}{'empty page':>12}{'ratio':>8}{'at most':>9}"]
    for name, row in rows.items():
        goal = GOALS.get(name, "")
        lines.append(f"{name:<26}{row['page']:>10.2f}{row['empty page']:>12.2f}{row['ratio']:>8.1f}{goal:>9}")
    return "\n".join(lines)
