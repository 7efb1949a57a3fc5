"""The command `verify`: makes whole folders again from their own files and tells which are no longer the same.

With `--against golden` the files are those of the golden set, and the summary says what the upgrade since has changed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pipelines.engine import Engine
from pipelines.errors import InvalidRequest
from webui.commands.terminal import in_words
from webui.kept.settings import Settings

if TYPE_CHECKING:
    from webui.proof.sweep import AgainReport

Answer = Callable[[dict[str, Any], str], None]  # (JSON line, the same in words)

SAME, DIFFERENT = 0, 1


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
    command.add_argument(
        "--against", choices=("golden",), help="the golden set instead of files: what did an upgrade change?"
    )
    command.add_argument(
        "--make-golden", action="store_true", help="make the golden set anew: before an upgrade, or to accept it"
    )
    command.add_argument(
        "--model", action="append", default=[], metavar="NAME", help="with the golden set: only of this model"
    )
    return command


def run(options: argparse.Namespace, settings: Settings, engine: Engine, answer: Answer) -> int:
    """0 when every file is identical, 1 when one differs or cannot be made. Raises InvalidRequest."""
    from webui.archive import marks
    from webui.archive.inputs import INPUTS
    from webui.proof import golden, sweep
    from webui.proof.badges import Proofs

    golden_root = settings.data_dir / golden.FOLDER
    if options.make_golden:
        for model, count in golden.make(engine, golden_root, options.model):
            answer({"model": model, "pictures": count}, f"{model}: {count} golden pictures")
        return SAME
    if options.against:
        sets = [golden.files(folder) for folder in golden.folders(golden_root, options.model)]
    else:
        sets = [(settings.output_dir / INPUTS, sweep.files_in(_wanted(options.paths, settings.output_dir)))]
    known = _known(options.report)
    todo = [(inputs, [file for file in files if _key(file) not in known]) for inputs, files in sets]
    seen = _Seen(known.values())
    with (
        _kept(options.report) as report,
        _Bar(sum(len(files) for _, files in todo)) as bar,
        contextlib.closing(Proofs(settings.data_dir / marks.FILE)) as proofs,
    ):
        for found in _sweep(engine, todo):
            proofs.keep(found)
            line = in_words(found)
            seen.add(line)
            if report is not None:
                report.write(json.dumps({"key": _key(Path(found.path)), **line}, ensure_ascii=False) + "\n")
                report.flush()
            bar.advance()
            answer(line, _words(found, line))
    sys.stderr.write(f"{seen.summary()}\n")
    if options.against:
        sys.stderr.writelines(f"  {fact}\n" for fact in seen.facts())
    return SAME if seen.same else DIFFERENT


def _wanted(paths: Sequence[Path], root: Path) -> list[Path]:
    wanted = [path.absolute() for path in paths] or [root]
    for path in wanted:
        if not path.exists():
            raise InvalidRequest("path", "path_wanted", value=str(path))
    return wanted


class _Seen:
    """What was found so far."""

    def __init__(self, lines: Iterable[dict[str, Any]]) -> None:
        self._counts = {"identical": 0, "differ": 0, "cannot": 0}
        self._facts: dict[str, int] = {}
        for line in lines:
            self.add(line)

    def add(self, line: dict[str, Any]) -> None:
        self._counts[_verdict(line)] += 1
        for fact in line["changed"]:
            self._facts[fact] = self._facts.get(fact, 0) + 1

    @property
    def same(self) -> bool:
        return self._counts["differ"] == self._counts["cannot"] == 0

    def summary(self) -> str:
        return ", ".join(f"{count:,} {verdict}" for verdict, count in self._counts.items())

    def facts(self) -> list[str]:
        """Every recorded fact that is no longer so, and for how many pictures."""
        return [f"{fact} ({count:,} of {sum(self._counts.values()):,})" for fact, count in sorted(self._facts.items())]


def _sweep(engine: Engine, sets: Iterable[tuple[Path, Sequence[Path]]]) -> Iterator[AgainReport]:
    from webui.archive.inputs import InputStore
    from webui.proof import sweep

    for inputs, files in sets:
        yield from sweep.sweep(engine, InputStore(inputs), files, lambda _: None)


def _words(report: AgainReport, line: Mapping[str, Any]) -> str:
    return " ".join([_told(report, line), *(note for note in line["notes"] if note != line["cannot"])])


def _told(report: AgainReport, line: Mapping[str, Any]) -> str:
    from webui.proof import sweep

    if line["cannot"] is not None:
        return f"{report.path}: cannot: {line['cannot']}"
    if report.identical:
        return f"{report.path}: identical"
    return f"{report.path}: {sweep.far_apart(report)}: {'; '.join(line['because'])}"


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
                known[line["key"]] = {name: line[name] for name in ("cannot", "identical", "changed")}
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
