"""Makes the program's own Python environment on the first start, and goes straight on at every later one.

Standard library only: it runs on a bare Python 3.11 or newer, and any Python 3 since 3.7 reads so far
as to be told that it is too old. All it makes lies in `.venv` beside this file; the Python it was
started with is left as it was. A stamp in `.venv`, written last, says which pins are installed: without it, or with
other pins, the set-up is done (again), so whatever interrupted the last one is repaired by starting once more.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
OLDEST_PYTHON = (3, 11)
TORCH_INDEX = "https://download.pytorch.org/whl/"  # PyTorch's own wheels, one folder a build
OVERRIDE = "SEEDPRINT_TORCH_INDEX"  # an index address for torch; "default": whatever pip is set up with
FLAG = "--no-bootstrap"


class SetupFailed(Exception):
    """One sentence for a person."""


def refuse_old_python() -> None:
    """Ends the program with one sentence where this Python is too old for it."""
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        sys.exit(f"Seedprint needs Python {oldest} or newer; this is {sys.version.split()[0]}.")


def ensure(requirements: Path, command: Sequence[str]) -> None:
    """Comes back only when this process runs in an environment that holds the pins of `requirements`; else makes
    that environment and runs `command` (arguments of Python) there, with this process's signals and exit status."""
    python = python_of(VENV)
    wanted = stamp_of(requirements)
    try:
        if read_stamps(VENV).get(requirements.name) != wanted or not python.exists():
            set_up(requirements, python)
            write_stamps(VENV, {file.name: stamp_of(file) for file in included(requirements)})
    except SetupFailed as failure:
        sys.exit(f"The set-up did not finish: {failure} Start again to go on with it.")
    except KeyboardInterrupt:
        print("The set-up was interrupted. Start again to go on with it.", file=sys.stderr)
        sys.exit(130)
    if Path(sys.prefix).resolve() != VENV.resolve():
        run_inside(python, command)


def python_of(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


# -- the stamp ------------------------------------------------------------------------------------------------------


def stamp_of(requirements: Path) -> str:
    """Changes with any pin, with those of the files it includes, and with the Python version."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}\n".encode())
    for file in included(requirements):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def included(requirements: Path) -> list[Path]:
    """The file and those it names with `-r`."""
    files = [requirements]
    for line in requirements.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            files += included(requirements.parent / line[3:].strip())
    return files


def _stamp_file(venv: Path) -> Path:
    return venv / "seedprint-pins.json"


def read_stamps(venv: Path) -> dict[str, str]:
    try:
        stamps = json.loads(_stamp_file(venv).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def write_stamps(venv: Path, stamps: dict[str, str]) -> None:
    part = _stamp_file(venv).with_suffix(".part")
    part.write_text(json.dumps(stamps), encoding="utf-8")
    part.replace(_stamp_file(venv))


# -- the set-up -----------------------------------------------------------------------------------------------------


def set_up(requirements: Path, python: Path) -> None:
    """Makes `.venv` where it is missing or unusable, then installs torch for this computer and every pin."""
    # The stamps of both lists go first: whatever happens from here on, the next start looks again.
    _stamp_file(VENV).unlink(missing_ok=True)
    if not usable(python):
        say(f"Making the environment in {VENV} …")
        make_environment(VENV)
    index, why = torch_index(sys.platform, cuda_version(), own_index_configured(python), os.environ)
    pin = torch_pin(requirements)
    say(f"Installing {pin}, {why} (the largest part; minutes on a slow line) …")
    try:
        # --no-deps: torch's small dependencies come with the pins below, not in other versions from its index
        install(python, ["--no-deps", *index, pin])
    except SetupFailed:
        if not index or "cpu" not in index[-1]:
            raise
        index = []
        say("PyTorch's own index cannot be reached; trying the one pip is set up with …")
        install(python, ["--no-deps", pin])
    say(f"Installing the rest from {requirements.name} …")
    # --no-deps: the file lists every package, and one of them is newer than another allows (it says which and why)
    install(python, ["--no-deps", "-r", str(requirements)])
    install(python, [*index, pin])  # the CUDA libraries of this very torch, where it wants any; else nothing to do
    say("The set-up is done.")


def usable(python: Path) -> bool:
    """The environment's Python starts, has pip, and is of this version."""
    check = "import pip, sys; print(sys.version_info[:2])"
    try:
        found = subprocess.run([str(python), "-I", "-c", check], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return found.returncode == 0 and found.stdout.strip() == str(sys.version_info[:2])


def make_environment(venv: Path) -> None:
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=False, stdout=sys.stderr)
    if made.returncode:
        raise SetupFailed(
            f"{venv} could not be made (on Debian and Ubuntu, `sudo apt install python3-venv` adds what is missing)."
        )


def install(python: Path, arguments: Sequence[str]) -> None:
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *arguments]
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
        raise SetupFailed("pip could not install everything; the lines above say why.")


def say(sentence: str) -> None:
    # stderr: what the program itself writes to stdout may be read by another program
    print(f"[set-up] {sentence}", file=sys.stderr, flush=True)


# -- which torch ----------------------------------------------------------------------------------------------------


def torch_pin(requirements: Path) -> str:
    for file in included(requirements):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("torch=="):
                return line.split()[0]
    raise SetupFailed(f"{requirements.name} names no torch.")


def torch_index(
    platform: str, cuda: int | None, own_index: bool, environment: os._Environ[str] | dict[str, str]
) -> tuple[list[str], str]:
    """pip's index options for torch, and in words which build that is. `cuda` as `cuda_version` gives it."""
    override = environment.get(OVERRIDE, "")
    if override:
        return ([] if override == "default" else ["--index-url", override]), f"as {OVERRIDE} says"
    if platform == "darwin":
        return [], "the build for macOS"
    if cuda is not None:
        # CUDA 13 builds need a driver that speaks it; older drivers (and cards before Turing) get CUDA 12.6
        build = "cu130" if cuda >= 13_000 else "cu126"
        words = f"the CUDA build {build} for the NVIDIA card found"
        # An index of the person's own is respected where its torch is a CUDA build: everywhere but on Windows
        return ([] if own_index and platform != "win32" else ["--index-url", TORCH_INDEX + build]), words
    if own_index or platform == "win32":  # on Windows the usual index has the CPU build
        return [], "from the index pip is set up with" if own_index else "the CPU build"
    return ["--index-url", TORCH_INDEX + "cpu"], "the CPU build (no NVIDIA driver found)"


def cuda_version() -> int | None:
    """The newest CUDA the NVIDIA driver speaks, as 1000 × major + 10 × minor; None without driver or card."""
    name = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return None
    version, cards = ctypes.c_int(), ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(cards)) or not cards.value:
        return None
    return None if driver.cuDriverGetVersion(ctypes.byref(version)) else version.value


def own_index_configured(python: Path) -> bool:
    """Whether the person's pip settings name where packages come from."""
    listing = subprocess.run([str(python), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    keys = [line.partition("=")[0] for line in listing.stdout.splitlines()]
    # `pip config list` counts environment variables such as PIP_INDEX_URL too
    return any(key.rpartition(".")[2] in ("index-url", "extra-index-url", "find-links", "no-index") for key in keys)


# -- going inside ---------------------------------------------------------------------------------------------------


def run_inside(python: Path, command: Sequence[str]) -> NoReturn:
    arguments = [str(python), *command]
    if os.name != "nt":
        os.execv(arguments[0], arguments)  # the same process: signals and exit status are its own
    with subprocess.Popen(arguments) as inside:  # Windows has no exec that keeps the console waiting
        while True:
            try:
                sys.exit(inside.wait())
            except KeyboardInterrupt:
                continue  # the console gave Ctrl+C to both; the inner one ends, then we do
