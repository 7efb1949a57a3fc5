"""The command `animate`: the frames of an animation, and the files that move."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webui.animation.moving import ENDINGS, LOSSLESS
from webui.commands.asked import existing
from webui.commands.following import BAD_INPUT, DONE, ending, follow, line_of
from webui.commands.terminal import Answer, complain, counted
from webui.lab.planning import estimate
from webui.library.files import LibraryError

if TYPE_CHECKING:
    from webui.animation.making import Making
    from webui.parts import Parts


def add(commands: Any) -> argparse.ArgumentParser:
    """To the command line's commands."""
    command: argparse.ArgumentParser = commands.add_parser(
        "animate",
        help="make an animation from keyframes",
        description="Makes the frames that FILE.yaml describes, each a picture like any other, and the files that move."
        " Frames that were made before are found: a stopped animation goes on where it was. docs/animation.md says what"
        " stands in the file.",
    )
    command.add_argument("file", type=Path, metavar="FILE.yaml", help="settings and keyframes")
    command.add_argument(
        "--format",
        action="append",
        choices=tuple(ENDINGS),
        help=f"of the file that moves, may be repeated; default: {' and '.join(LOSSLESS)}, both lossless",
    )
    command.add_argument("--to", type=Path, metavar="NAME", help="its name without ending; default: that of FILE.yaml")
    command.add_argument("--plan", action="store_true", help="only say what it will cost")
    command.add_argument("--json", action="store_true", help="one JSON line a picture on stdout, nothing else")
    return command


def run(options: argparse.Namespace, parts: Parts, answer: Answer) -> int:
    """The exit status. Raises InvalidRequest, StorageError."""
    from webui.animation import making, reading
    from webui.archive import metadata

    try:
        data = dict(reading.read(existing(options.file, "file")))
    except LibraryError as error:
        complain(error)
        return BAD_INPUT
    named, picture = data.pop(reading.PICTURE, None), None
    if named is not None:
        file = existing(options.file.parent / str(named), reading.PICTURE)
        picture = metadata.read_input(file, parts.store.inputs)
    animation = reading.animation_of(data, parts.service, picture)
    with making.made_table(parts.settings.data_dir) as table:
        work = making.Making(animation, parts.service, parts.store, table)
        complain(estimate(work.plan(), "en"))
        return DONE if options.plan else _made(work, options, parts, answer)


def _made(work: Making, options: argparse.Namespace, parts: Parts, answer: Answer) -> int:
    """1 each frame that is not there yet, 2 the files that move."""
    from webui.animation.moving import written

    paths: list[Path] = []
    with counted(work.animation.frames, "frame") as done:
        for place in range(work.animation.frames):
            request = work.request(place, paths[-1] if paths else None)
            path = work.find(request)
            if path is None:
                *_, status = follow(parts.service, parts.service.submit(request))
                if not status.saved:
                    return ending(status)
                path = status.saved[0].path
                work.note(request, path)
                answer(line_of(status.saved[0]), str(path))
            paths.append(path)
            done()
    stem = options.to or options.file.with_suffix("")
    for file in written(options.format or LOSSLESS, paths, work.animation.rate, stem.absolute()):
        answer({"path": str(file), "kind": "animation", "frames": len(paths)}, str(file))
    return DONE
