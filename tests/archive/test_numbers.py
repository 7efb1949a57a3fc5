"""A number is one picture's, however many programs save into a folder, and whatever ends them.

Run as a program it saves pictures, each with a name of its own, when a line comes in:
`python -m tests.archive.test_numbers FOLDER NAME COUNT`."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipelines.types import GenerationRequest
from tests.archive.helpers import NOON, results, tiles
from webui.archive import numbers, store
from webui.archive.files import publish
from webui.archive.store import ImageStore

pytestmark = pytest.mark.lengthy

REPOSITORY = Path(__file__).parents[2]
EACH = 300  # pictures of each program


def save(root: Path, name: str, count: int) -> None:
    archive = ImageStore(root, clock=lambda: NOON)
    made = results(GenerationRequest(prompt=name, seed=1, batch_size=2, steps=1, width=64, height=64))
    for _ in range(count // 2):
        first, _ = [archive.save(one) for one in made]
        archive.save_grid(made[0], tiles(made), beside=first)


def numbers_of(root: Path, prefix: str = "") -> list[int]:
    return [int(path.name.removeprefix(prefix)[:5]) for path in root.rglob(f"{prefix}[0-9]*.png")]


@pytest.mark.fault(35)
def test_two_programs_never_give_one_number_twice(tmp_path: Path) -> None:
    """With the same prompt names alone would do; these differ."""
    command = [sys.executable, "-m", "tests.archive.test_numbers", str(tmp_path)]
    with ExitStack() as stack:
        programs = []
        for name in ("red", "blue"):
            program = subprocess.Popen(
                [*command, name, str(EACH)], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            programs.append(stack.enter_context(program))
            stack.callback(program.kill)
        for program in programs:
            assert program.stdout is not None
            assert program.stdout.readline() == "ready\n"
        for program in programs:  # both at once
            assert program.stdin is not None
            program.stdin.write("go\n")
            program.stdin.flush()
        assert [program.wait(timeout=120) for program in programs] == [0, 0]
    given = Counter(numbers_of(tmp_path))
    assert len(given) == 2 * EACH
    assert set(given.values()) == {1}
    # a grid has its first picture's on purpose, so that no two grids share one either
    grids = Counter(numbers_of(tmp_path, "grid-"))
    assert len(grids) == EACH
    assert set(grids.values()) == {1}
    left = list(tmp_path.rglob(f"{numbers.FOLDER}/*"))
    assert 0 < len(left) <= 2 * numbers.KEPT  # nothing grows with the pictures


def test_a_program_that_was_asleep_takes_no_number_that_was_given_long_ago(tmp_path: Path) -> None:
    """The file of that number is cleared away by then."""
    taken = [numbers.take(tmp_path, number) for number in range(1, 4 * numbers.KEPT)]
    assert taken == list(range(1, 4 * numbers.KEPT))
    late = [numbers.take(tmp_path, 2) for _ in range(3)]
    assert set(late).isdisjoint(taken)
    assert len(set(late)) == 3


def test_a_kill_between_number_and_picture_leaves_a_gap_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(part: Path, final: Path) -> None:
        raise KeyboardInterrupt

    save(tmp_path, "one", 2)
    monkeypatch.setattr(store, "publish", killed)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, "two", 2)
    monkeypatch.setattr(store, "publish", publish)
    save(tmp_path, "three", 2)
    assert sorted(numbers_of(tmp_path)) == [1, 2, 4, 5]


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    save(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
