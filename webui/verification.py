"""The command `verify`: makes whole folders again from their own files and tells which are no longer the same."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pipelines.engine import Engine
from pipelines.errors import InvalidRequest

if TYPE_CHECKING:
    from webui.archive.inputs import InputStore
    from webui.verify import AgainReport

Answer = Callable[[dict[str, Any], str], None]  # (JSON line, the same in words)

SAME, DIFFERENT = 0, 1
WAITING = 200  # files looked at before any is made: enough to find the others of a batch, little to lose


def add(commands: Any) -> argparse.ArgumentParser:
    """To the command line's commands."""
    command: argparse.ArgumentParser = commands.add_parser(
        "verify", help="make files and whole folders again, and tell what differs"
    )
    command.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="default: the whole output folder")
    command.add_argument("--json", action="store_true", help="one JSON line a file on stdout, nothing else")
    command.add_argument(
        "--report", type=Path, metavar="FILE", help="keep the lines there; files it names already are not made again"
    )
    return command


def run(paths: Sequence[Path], report_file: Path | None, root: Path, engine: Engine, answer: Answer) -> int:
    """0 when every file is identical, 1 when one differs or cannot be made. Raises InvalidRequest."""
    from webui import verify
    from webui.archive.inputs import InputStore
    from webui.archive.store import INPUTS

    wanted = [path.absolute() for path in paths] or [root]
    for path in wanted:
        if not path.exists():
            raise InvalidRequest("path", f"must be an existing file or folder, got {str(path)!r}")
    known = _known(report_file)
    todo = [file for file in verify.files_in(wanted) if _key(file) not in known]
    counts = {"identical": 0, "differ": 0, "cannot": 0}
    for line in known.values():
        counts[_verdict(line)] += 1
    with _kept(report_file) as report, _Bar(len(todo)) as bar:
        for found in _sweep(engine, InputStore(root / INPUTS), todo):
            line = found.to_json()
            counts[_verdict(line)] += 1
            if report is not None:
                report.write(json.dumps({"key": _key(Path(found.path)), **line}, ensure_ascii=False) + "\n")
                report.flush()
            bar.advance()
            answer(line, _words(found))
    summary = ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items())
    sys.stderr.write(f"{summary}\n")
    return SAME if counts["differ"] == counts["cannot"] == 0 else DIFFERENT


def _sweep(engine: Engine, inputs: InputStore, files: Sequence[Path]) -> Iterator[AgainReport]:
    from webui import verify

    for start in range(0, len(files), WAITING):
        yield from verify.sweep(engine, inputs, files[start : start + WAITING], lambda _: None)


def _words(report: AgainReport) -> str:
    if report.cannot is not None:
        return f"{report.path}: cannot: {report.cannot}"
    if report.identical:
        return f"{report.path}: identical"
    psnr = f", {report.psnr:.1f} dB" if report.psnr is not None else ""
    far = f"by {report.max_difference} at most, {report.mean_difference:.2f} mean{psnr}"
    return f"{report.path}: {report.different_pixels:,} pixels differ, {far}: {'; '.join(report.because)}"


def _verdict(line: dict[str, Any]) -> str:
    if line["cannot"] is not None:
        return "cannot"
    return "identical" if line["identical"] else "differ"


def _key(file: Path) -> str:
    """A file as it is now: one that changed is verified anew."""
    with contextlib.suppress(OSError):
        facts = file.stat()
        return f"{file}|{facts.st_size}|{facts.st_mtime_ns}"
    return str(file)


def _known(report: Path | None) -> dict[str, dict[str, Any]]:
    """What an earlier, cut off run has found; a last line that was only half written is passed over."""
    known: dict[str, dict[str, Any]] = {}
    if report is not None and report.is_file():
        for text in report.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                line = json.loads(text)
                known[line["key"]] = {"cannot": line["cannot"], "identical": line["identical"]}
    return known


@contextlib.contextmanager
def _kept(report: Path | None) -> Iterator[IO[str] | None]:
    if report is None:
        yield None
        return
    with report.open("a", encoding="utf-8") as file:
        yield file


class _Bar:
    """A progress bar on a terminal, else nothing; lines go above it."""

    def __init__(self, files: int) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]

        self._bar = tqdm(total=files, unit="file", file=sys.stderr, disable=None, leave=False)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *ending: object) -> None:
        self._bar.close()

    def advance(self) -> None:
        self._bar.update()
        self._bar.clear()  # the next line is printed where the bar was
