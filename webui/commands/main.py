"""The command line: `serve` (when no other is named), `generate` and `again`, all through the one service."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pipelines.errors import InvalidRequest, SeedprintError, UnreadableImage
from pipelines.fields import Field
from pipelines.kinds import Choice, Flag, Number, Picture, Whole
from pipelines.types import REQUEST_FIELDS, GenerationRequest
from webui import words
from webui.commands import animate, link, upscale
from webui.commands import index as reindex
from webui.commands import verify as verification
from webui.commands.asked import existing, requests_of
from webui.commands.following import BAD_INPUT, DONE, FAILED, ending, follow, line_of
from webui.commands.terminal import Answer, Bar, answers, complain, in_words
from webui.jobs.choices import unbalanced
from webui.jobs.outpainting import FILLS
from webui.kept.settings import ALL, DEFAULT_PORT, DEVICE, ENGINES, Settings
from webui.words import WORDS, label, translate

if TYPE_CHECKING:
    from pipelines.engine import Engine
    from webui.jobs.service import GenerationService
    from webui.parts import Parts
    from webui.proof.sweep import AgainReport

INTERRUPTED = 130
COMMANDS = ("serve", "link", "generate", "animate", "upscale", "again", "verify", "index")


def main(arguments: Sequence[str]) -> int:
    """Runs one command; the exit status. Bad input and failures are one sentence on stderr, bugs keep a traceback."""
    options = parser().parse_args(with_command(arguments))
    try:
        with _ends_like_interrupted():
            return int(options.run(options))
    except (InvalidRequest, UnreadableImage) as error:
        complain(words.line(error))
        return BAD_INPUT
    except SeedprintError as error:
        complain(words.line(error))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


@contextlib.contextmanager
def _ends_like_interrupted() -> Iterator[None]:
    """Being terminated, or losing the terminal, ends everything as cleanly as Ctrl+C does."""
    found = (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP", "SIGBREAK"))
    before = {number: signal.signal(number, signal.default_int_handler) for number in found if number is not None}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# -- what may be typed ----------------------------------------------------------------------------------------------


def with_command(arguments: Sequence[str]) -> list[str]:
    """`python app.py --port 80` means `serve --port 80`; help without a command shows all of them."""
    named = any(argument in COMMANDS for argument in arguments[:1])
    return list(arguments) if named or set(arguments) & {"-h", "--help"} else ["serve", *arguments]


class Parser(argparse.ArgumentParser):
    """One sentence for a mistake, as for every other bad input, instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        complain(f"{message} ({self.prog} --help shows what may be given)")
        self.exit(BAD_INPUT)


def parser() -> Parser:
    top = Parser(
        prog="python app.py",
        description="Seedprint: pictures from prompts, in the browser, that can be made again.",
        epilog="Without a command: serve. `python app.py COMMAND --help` shows the options of one command."
        " --no-bootstrap, anywhere: use the Python environment as it is, without .venv.",
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _add_serve(commands)
    link.add(commands)
    _add_generate(commands)
    moving = animate.add(commands)
    _add_settings(moving)
    moving.set_defaults(run=run_animate)
    larger = upscale.add(commands)
    _add_settings(larger)
    larger.set_defaults(run=run_upscale)
    _add_again(commands)
    verify = verification.add(commands)
    _add_settings(verify)
    verify.set_defaults(run=run_verify)
    reindex.add(commands)
    return top


Commands = Any  # argparse names the type of add_subparsers only privately


def _add_serve(commands: Commands) -> None:
    serve = commands.add_parser("serve", help="open the page (default)")
    serve.add_argument("--no-browser", action="store_true", help="do not open the browser")
    serve.add_argument("--no-token", action="store_true", help="let every account of this machine use the page")
    serve.add_argument("--port", type=_port, default=DEFAULT_PORT, help="default %(default)s, or the next free one")
    _add_settings(serve)
    serve.set_defaults(run=run_serve)


def _add_generate(commands: Commands) -> None:
    make = commands.add_parser("generate", help="make pictures without a browser")
    make.add_argument("prompt", help="what to draw")
    make.add_argument("--preset", help="the name of a preset; options given here win over it")
    groups = {"": make.add_argument_group("the picture (what is left out is as a new form of the page has it)")}
    for one in REQUEST_FIELDS:
        if one.setting.page and one.name != "prompt":
            if one.group not in groups:
                heading = label(one.name, "en") if one.switch else translate(f"group_{one.group}", "en")
                groups[one.group] = make.add_argument_group(heading)
            groups[one.group].add_argument(f"--{one.option}", dest=one.name, default=None, **_option(one))
    outpaint = make.add_argument_group("beyond the sides of the start picture")
    outpaint.add_argument(
        "--outpaint",
        metavar="LEFT,TOP,RIGHT,BOTTOM",
        help="add so many pixels and paint them; or bring it to a shape, such as 16:9",
    )
    outpaint.add_argument("--outpaint-fill", choices=FILLS, default=FILLS[0], help="there at first: %(choices)s")
    make.add_argument("--json", action="store_true", help="one JSON line a picture on stdout, nothing else")
    _add_settings(make)
    make.set_defaults(run=run_generate)


def _option(one: Field) -> dict[str, Any]:
    """How argparse reads a field: by its kind, told by its words and bounds."""
    told = label(one.name, "en") + (f". {translate(key, 'en')}" if (key := f"{one.name}_info") in WORDS else "")
    told = translate(key, "en") if (key := f"{one.name}_help") in WORDS else told
    told = told.replace("%", "%%")
    match one.kind:
        case Whole(low=low, high=high, step=step):
            every = f", a multiple of {step}" if step > 1 else ""
            return {"type": int, "metavar": "N", "help": f"{told}; {low:,} to {high:,}{every}"}
        case Number(low=low, high=high):
            return {"type": float, "metavar": "N", "help": f"{told}; {low:,} to {high:,}"}
        case Choice(choices=choices):
            return {"choices": choices, "metavar": "NAME", "help": f"{told}: {'; '.join(choices)}"}
        case Flag():
            # a preset may have switched on what is not wanted
            return {"action": argparse.BooleanOptionalAction if one.switch else "store_true", "help": told}
        case Picture():
            return {"type": Path, "metavar": "FILE", "help": told}
        case _:
            return {"metavar": "TEXT", "help": told}


def _add_again(commands: Commands) -> None:
    again = commands.add_parser("again", help="make pictures again from their own files and compare")
    again.add_argument("files", nargs="+", type=Path, metavar="FILE")
    again.add_argument("--json", action="store_true", help="one JSON line a file on stdout, nothing else")
    _add_settings(again)
    again.set_defaults(run=run_again)


def _add_settings(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("where and with what")
    group.add_argument("--output-dir", type=Path, help="where pictures land; default: outputs beside app.py")
    group.add_argument(
        "--models-dir",
        type=Path,
        action="append",
        help="where checkpoints lie (may be repeated); default: models beside app.py",
    )
    group.add_argument(
        "--name-pattern",
        metavar="TEXT",
        help="of file names; default: [number]-[seed]_[prompt]; docs/names.md has the tokens",
    )
    group.add_argument("--image-format", choices=("png", "webp", "jpeg", "avif"), help="default png; webp is lossless")
    group.add_argument("--engine", choices=ENGINES, default="local", help="fake: no model, coloured squares")
    group.add_argument(
        "--device",
        type=_devices,
        default=(),
        metavar="NAMES",
        help="what computes: cpu, cuda, cuda:1, mps; several with commas, or all for every card; default: the best one",
    )
    group.add_argument(
        "--exact",
        action="store_true",
        help="depend on the machine as little as can be: float32, one thread, one image at a time; slower",
    )
    group.add_argument(
        "--no-replay",
        action="store_true",
        help="call the network step by step instead of replaying a graph of it: the same pictures, slower on a card",
    )
    group.add_argument("--data-dir", type=Path, help="the job database; default: .seedprint beside app.py")


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"must be from 0 (any) to 65535, got {port}")
    return port


def _devices(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if names != (ALL,) and not all(map(DEVICE.fullmatch, names)):
        raise argparse.ArgumentTypeError(f"must be cpu, mps, cuda, cuda:N, several of them with commas, or {ALL}")
    return names


def settings_of(options: argparse.Namespace) -> Settings:
    default = Settings()
    return Settings(
        output_dir=(options.output_dir or default.output_dir).absolute(),
        models_dirs=tuple(folder.absolute() for folder in options.models_dir or default.models_dirs),
        data_dir=(options.data_dir or default.data_dir).absolute(),
        name_pattern=options.name_pattern,
        image_format=options.image_format,
        engine=options.engine,
        exact=options.exact,
        replay=not options.no_replay,
        devices=options.device,
        port=getattr(options, "port", default.port),
        open_browser=not getattr(options, "no_browser", True),
        token=not getattr(options, "no_token", False),
    )


# -- the page -------------------------------------------------------------------------------------------------------


def run_serve(options: argparse.Namespace) -> int:
    from webui import server

    return server.serve(settings_of(options), lambda line: print(line, flush=True))


# -- without a browser ----------------------------------------------------------------------------------------------


def run_generate(options: argparse.Namespace) -> int:
    with answers(options.json) as answer, _service(options) as parts:
        service, wishes = parts.service, requests_of(options, parts)
        request = service.planned(next(wishes))
        jobs = service.submit_many(chain([request], wishes))
        for name in ("prompt", "negative_prompt"):
            for note in unbalanced(getattr(request, name)):
                complain(f"{name}: {words.say(note, 'en')}")
        try:
            return max([_told(service, job, request, answer) for job in jobs])
        except KeyboardInterrupt:
            for job in jobs:
                service.cancel(job)
            raise


def _told(service: GenerationService, job_id: str, request: GenerationRequest, answer: Answer) -> int:
    """How a job ended; its pictures are told as they come. `request`: one like it, for its steps."""
    told = set[Path]()
    with Bar(request.batches * request.all_steps) as bar:
        for status in follow(service, job_id):
            bar.show(status, request)
            for saved in status.saved:  # by their places: of several devices one may be ahead
                if saved.path not in told:
                    answer(line_of(saved), str(saved.path))
                    told.add(saved.path)
    if status.grid is not None:
        answer(line_of(status.grid) | {"kind": "grid"}, str(status.grid.path))
    return ending(status)


def run_animate(options: argparse.Namespace) -> int:
    with answers(options.json) as answer, _service(options) as parts:
        return animate.run(options, parts, answer)


def run_upscale(options: argparse.Namespace) -> int:
    from webui.proof.sweep import files_in

    files = [existing(file, "file") for file in files_in(options.paths)]
    with answers(options.json) as answer, _service(options) as parts:
        results = [_upscale(parts, file, upscale.wanted(options), answer) for file in files]
    return max(results, default=DONE)


def _upscale(parts: Parts, file: Path, wanted: dict[str, Any], answer: Answer) -> int:
    *_, status = follow(parts.service, parts.service.submit_upscale(file.absolute(), **wanted))
    for saved in status.saved:
        answer(line_of(saved), str(saved.path))
    return ending(status)


def run_again(options: argparse.Namespace) -> int:
    for file in options.files:
        existing(file, "file")
    with answers(options.json) as answer, _service(options) as parts:
        results = [_again(parts, file, answer) for file in options.files]
    return max(results)


def _again(parts: Parts, file: Path, answer: Answer) -> int:
    job_id = parts.service.submit_again(file.absolute())
    *_, status = follow(parts.service, job_id)
    if status.again is None:
        return ending(status)
    report = status.again
    line = in_words(report) | {"path": str(file)}
    cannot = line["cannot"]
    if cannot is not None:
        answer(line, f"{file}: {cannot}")
        complain(f"{file}: {cannot}")
        return BAD_INPUT
    del line["cannot"]
    told = "identical" if report.identical else _difference(report, line["because"])
    answer(line, " ".join([f"{file}: {told}", *line["notes"]]))
    return DONE


def _difference(report: AgainReport, because: Sequence[str]) -> str:
    from webui.proof import sweep

    return f"{sweep.far_apart(report)}: {'; '.join(because)}"


def run_verify(options: argparse.Namespace) -> int:
    with answers(options.json) as answer, _engine(options) as (settings, engine):
        return verification.run(options, settings, engine, answer)


# -- around a run ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _engine(options: argparse.Namespace) -> Iterator[tuple[Settings, Engine]]:
    from webui.server import make_engine

    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    settings = settings_of(options)
    with contextlib.closing(make_engine(settings)) as engine:
        yield settings, engine


@contextlib.contextmanager
def _service(options: argparse.Namespace) -> Iterator[Parts]:
    """The page's own service, with a job table that lasts as long as the command: never another program's jobs."""
    from webui.instances import command_folder
    from webui.parts import build_parts

    with (
        _engine(options) as (settings, engine),
        command_folder(settings.data_dir, settings.output_dir) as folder,
        build_parts(settings, engine, folder) as parts,
    ):
        parts.service.start()
        yield parts
