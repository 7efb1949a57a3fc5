"""The command `animate`: frames that are found again, files that move, one sentence for a bad file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, ImageSequence

from tests.commands.conftest import Run
from tests.commands.test_main import complaint, lines
from webui.archive.inputs import InputStore
from webui.archive.metadata import read

WALK = """
fps: 10
width: 64
height: 64
steps: 2
prompt: {0: a red star, 4: a yellow moon}
seed: {0: 7, 2: 42}
guidance: {0: 3, 4: 5}
"""


def plan(folder: Path, text: str = WALK) -> str:
    (folder / "walk.yaml").write_text(text, encoding="utf-8")
    return "walk.yaml"


def test_its_frames_are_pictures_and_its_files_hold_them(run: Run, tmp_path: Path) -> None:
    done = run("animate", plan(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    assert "5 pictures, 0 of them there already: 10 steps" in done.stderr
    *frames, webp, apng = lines(done)
    assert [frame["seed"] for frame in frames] == [7, 7, 42, 42, 42]
    assert [webp["path"], apng["path"]] == [str(tmp_path / "walk.webp"), str(tmp_path / "walk.png")]
    shown = [Image.open(frame["path"]).convert("RGB").tobytes() for frame in frames]
    for file in (webp, apng):
        with Image.open(file["path"]) as moving:
            assert [one.convert("RGB").tobytes() for one in ImageSequence.Iterator(moving)] == shown
    assert run("again", *(frame["path"] for frame in frames)).stdout.count(": identical") == 5


def test_what_is_there_is_not_made_again_and_only_what_changed_is(run: Run, tmp_path: Path) -> None:
    first = lines(run("animate", plan(tmp_path), "--json"))
    Path(first[1]["path"]).unlink()
    second = run("animate", "walk.yaml", "--json", "--format", "webp")
    assert "5 pictures, 4 of them there already: 2 steps" in second.stderr
    made, moving = lines(second)
    assert moving["path"] == first[-2]["path"]  # the same bytes
    assert read(Path(made["path"])).record is not None
    third = run("animate", plan(tmp_path, WALK.replace("2: 42", "2: 43")), "--json", "--format", "webp")
    *made, moving = lines(third)
    assert len(made) == 4
    assert moving["path"] == str(tmp_path / "walk-2.webp")  # no file is written over


def test_frames_made_of_the_one_before_go_on_and_are_made_again(run: Run, tmp_path: Path) -> None:
    text = "frames: 4\nwidth: 64\nheight: 64\nsteps: 4\nprompt: a star\nseed: 7\nzoom: 1.1\nturn: 5"
    *frames, _, _ = lines(run("animate", plan(tmp_path, text), "--json"))
    pictures = [Path(frame["path"]) for frame in frames]
    assert [picture.parent.parent.name for picture in pictures] == ["txt2img", *["img2img"] * 3]
    assert run("again", *map(str, pictures)).stdout.count(": identical") == 4
    before = pictures[2].read_bytes()
    pictures[2].unlink()
    second = run("animate", "walk.yaml", "--json", "--format", "gif")
    assert "4 pictures, 2 of them there already" in second.stderr
    made, _ = lines(second)  # the last is found, as it begins with the same pixels
    with Image.open(made["path"]) as image, Image.open(io.BytesIO(before)) as earlier:
        assert image.tobytes() == earlier.tobytes()


@pytest.mark.parametrize(("motion", "begins"), [("", 3), ("zoom: 1.1", 1)])
def test_it_begins_with_a_picture(run: Run, tmp_path: Path, motion: str, begins: int) -> None:
    """Without motion all frames do, with it the first."""
    start = Image.new("RGB", (96, 64), "teal")
    start.save(tmp_path / "start.png")
    text = f"init_image: start.png\nsteps: 10\nstrength: {{0: 0.2, 2: 0.4}}\n{motion}"
    *frames, _, _ = lines(run("animate", plan(tmp_path, text), "--json"))
    inputs = InputStore(tmp_path / "outputs" / "inputs")
    records = [read(Path(frame["path"])).record for frame in frames]
    inits = [record.request(inputs).init for record in records if record is not None]
    assert [init.strength for init in inits if init is not None] == [0.2, 0.3, 0.4]
    assert [init is not None and init.image.tobytes() == start.tobytes() for init in inits].count(True) == begins
    width, height = read(Path(frames[0]["path"])).size
    assert width / height == pytest.approx(96 / 64, abs=0.05)


def test_it_says_what_it_will_cost_and_ends(run: Run, tmp_path: Path) -> None:
    done = run("animate", plan(tmp_path), "--plan")
    assert (done.returncode, done.stdout) == (0, "")
    assert "5 pictures" in done.stderr
    assert not list((tmp_path / "outputs").rglob("*_*.png"))


def test_a_frame_between_two_keyframes(run: Run, tmp_path: Path) -> None:
    frame = lines(run("animate", plan(tmp_path), "--json"))[1]
    record = read(Path(frame["path"])).record
    assert record is not None
    request = record.request(InputStore(tmp_path / "outputs" / "inputs"))
    assert (request.guidance, request.dialect, request.prompt) == (
        3.5,
        "compel",
        '("a red star", "a yellow moon").blend(0.75, 0.25)',
    )
    assert request.variation is not None
    assert (request.seed, request.variation.seed, request.variation.strength) == (7, 42, 0.5)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prompt: [", "walk.yaml:2: is not YAML"),
        ("frames: 4\nsteps: 0", "steps must be a whole number from 1"),
        ("frames: 4\ninit_image: none.png", "There is no file"),
        ("frames: 4\nmodel: none", "There is no model none"),
        ("frames: 4\nmodel: 7", "There is no model 7"),
    ],
)
def test_one_sentence_for_a_bad_file(run: Run, tmp_path: Path, text: str, told: str) -> None:
    assert told in complaint(run("animate", plan(tmp_path, text)))


def test_no_file(run: Run) -> None:
    assert "There is no file none.yaml" in complaint(run("animate", "none.yaml"))
