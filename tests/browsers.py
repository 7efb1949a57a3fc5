"""The browser that the page is tested in: any Chromium, Chrome or Edge, or Playwright's own; got when there is none.

Standard library only. `SEEDPRINT_TEST_BROWSER` names a program to use before all others.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

NAMED = "SEEDPRINT_TEST_BROWSER"
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]  # nothing of it is sent home
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge")
LINUX = ("opt/google/chrome/chrome", "opt/chromium.org/chromium/chromium", "opt/microsoft/msedge/msedge")
LINUX += ("snap/bin/chromium", "usr/lib/chromium/chromium")
MACOS = ("Google Chrome", "Chromium", "Microsoft Edge")
WINDOWS = (r"Google\Chrome\Application\chrome.exe", r"Chromium\Application\chrome.exe")
WINDOWS += (r"Microsoft\Edge\Application\msedge.exe",)
PATIENCE = 60  # seconds until a browser has started
INSTALLING = 900  # seconds
_PLAYWRIGHT = """
import sys
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    if sys.argv[1:]:
        playwright.chromium.launch(executable_path=sys.argv[1], args=sys.argv[2:]).close()
    else:
        print(playwright.chromium.executable_path)
"""

Run = Callable[[Sequence[str], float], str | None]  # command, seconds -> its output; None: it failed


def run(command: Sequence[str], seconds: float) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def usable(*, obtain: bool, run: Run = run, places: Callable[[Run], Iterator[str]] | None = None) -> str | None:
    """The first browser that Playwright can start. `obtain`: one is got when there is none. None: there is none."""
    for attempt in (lambda: None, lambda: got(run)) if obtain else (lambda: None,):
        attempt()
        for program in (places or candidates)(run):
            if run([sys.executable, "-c", _PLAYWRIGHT, program, *OPTIONS], PATIENCE) is not None:
                return program
    return None


def candidates(run: Run = run) -> Iterator[str]:
    """Programs that are there, the likeliest first."""
    if named := os.environ.get(NAMED):
        yield named
    yield from filter(None, map(shutil.which, NAMES))
    yield from (str(place) for place in usual_places(sys.platform, os.environ, Path("/")) if place.is_file())
    own = (run([sys.executable, "-c", _PLAYWRIGHT], PATIENCE) or "").strip()
    if own and Path(own).is_file():
        yield own


def usual_places(platform: str, environment: Mapping[str, str], root: Path) -> list[Path]:
    """Where browsers install themselves on Linux, macOS and Windows."""
    if platform == "win32":
        names = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
        folders = [Path(environment[name]) for name in names if environment.get(name)]
        return [folder.joinpath(*inside.split("\\")) for folder in folders for inside in WINDOWS]
    if platform == "darwin":
        home = Path(environment.get("HOME") or "/var/empty")
        return [top / "Applications" / f"{app}.app/Contents/MacOS/{app}" for top in (root, home) for app in MACOS]
    return [root / place for place in LINUX]


def got(run: Run = run) -> bool:
    """A browser, the ordinary way: Debian's package where this may install one, else Playwright's installer."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and (apt := shutil.which("apt-get")):
        say("No browser for the page's tests is here; installing the package chromium …")
        run([apt, "update", "-q"], INSTALLING)  # a list that is there already may do
        quiet = ["env", "DEBIAN_FRONTEND=noninteractive"]
        if run([*quiet, apt, "install", "-q", "-y", "--no-install-recommends", "chromium"], INSTALLING) is not None:
            return True
    say("No browser for the page's tests is here; getting Playwright's own …")
    return run([sys.executable, "-m", "playwright", "install", "chromium"], INSTALLING) is not None


def say(sentence: str) -> None:
    print(f"[tests] {sentence}", file=sys.stderr, flush=True)
