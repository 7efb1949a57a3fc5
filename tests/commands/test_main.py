"""The command line as programs see it: exit statuses, JSON lines and nothing else, one sentence for a mistake."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.engines.fake import FakeEngine
from tests.commands.conftest import Run
from tests.conftest import ROOT
from webui.archive.inputs import InputStore
from webui.archive.metadata import read
from webui.commands import main as cli
from webui.commands import terminal
from webui.kept.models import ModelSettings
from webui.library.presets import load
from webui.library.wildcards import resolve
from webui.parts import HERE, all_presets

COMMAND = [sys.executable, str(ROOT / "app.py")]


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence on stderr of a command that found bad input."""
    assert done.returncode == cli.BAD_INPUT, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("seedprint: ")
    return line


@pytest.mark.lengthy
def test_as_a_program(tmp_path: Path) -> None:
    """Through app.py, as a process: the status comes out, stdout is JSON alone, bad input is no traceback."""
    line = [*COMMAND, "generate", "a", "--json", "--no-bootstrap", "--engine", "fake", "--output-dir", str(tmp_path)]
    good = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr, len(lines(good))) == (0, "", 1)
    assert "steps" in complaint(subprocess.run([*line, "--steps", "0"], capture_output=True, text=True, check=False))


def test_pictures_and_folders_are_made_larger_and_again(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.png"):
        Image.new("RGB", (10, 8), "teal").save(tmp_path / "mine" / name)
    done = run("upscale", str(tmp_path / "mine"), str(tmp_path / "mine" / "a.png"), "--by", "3", "--json")
    assert done.returncode == 0, done.stderr
    saved = [Path(line["path"]) for line in lines(done)]
    assert [read(path).size for path in saved] == [(30, 24)] * 2
    assert run("again", *map(str, saved)).stdout.count(": identical") == 2
    assert "upscaler must be one of" in complaint(run("upscale", str(saved[0]), "--upscaler", "4x"))
    assert "file" in complaint(run("upscale", str(tmp_path / "none.png")))


def test_one_line_a_picture_and_one_for_the_grid(run: Run, tmp_path: Path) -> None:
    done = run("generate", "星 a star", "--seed", "7", "--batch-size", "2", "--batches", "2", "--json")
    assert done.returncode == 0, done.stderr
    *images, grid = lines(done)
    assert [line["seed"] for line in images] == [7, 8, 9, 10]
    assert all(set(line) == {"path", "seed", "seconds"} and line["seconds"] >= 0 for line in images)
    assert (grid["kind"], grid["seed"]) == ("grid", 7)
    for line in (*images, grid):
        path = Path(line["path"])
        assert path.is_absolute()
        assert path.is_relative_to(tmp_path / "outputs" / "txt2img")
        with Image.open(path) as image:
            image.load()


def test_words_without_json_and_no_bar_without_a_terminal(run: Run) -> None:
    done = run("generate", "a star", "--seed", "7")
    assert done.returncode == 0
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert Path(line).is_file()


def test_what_is_settled_for_a_model_is_where_a_command_begins(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with contextlib.closing(FakeEngine()) as engine:
        ModelSettings(tmp_path / "data" / "models.json").put(engine.models()[0], {"steps": 7, "clip_skip": 2})
    (line,) = lines(run("generate", "a", "--clip-skip", "3", "--json"))
    record = read(Path(line["path"])).record
    assert record is not None
    assert (record.settings["steps"], record.settings["clip_skip"]) == (7, 3)


def test_the_models_own_size_is_the_default(run: Run) -> None:
    (square,) = lines(run("generate", "a", "--json"))
    (wide,) = lines(run("generate", "a", "--json", "--width", "192"))
    native = FakeEngine().models()[0].native_size
    with Image.open(square["path"]) as image:
        assert image.size == (native, native)
    with Image.open(wide["path"]) as image:
        assert image.size == (192, native)


@pytest.mark.parametrize("seed", [(), ("--seed", "-1")])
def test_no_seed_is_drawn_anew_each_time(run: Run, seed: tuple[str, ...]) -> None:
    first, second = (lines(run("generate", "a", "--json", *seed))[0]["seed"] for _ in range(2))
    assert 0 <= first < 2**32
    assert first != second  # equal once in four thousand million


def test_every_option_reaches_the_picture(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (96, 64), "red").save(tmp_path / "a.png")
    Image.new("L", (96, 64), 255).save(tmp_path / "m.png")
    done = run(
        *("generate", "a star", "--negative-prompt", "blur", "--model", "builtin", "--sampler", "Euler a"),
        *("--schedule", "karras", "--steps", "11", "--guidance", "5.5", "--width", "128", "--height", "64"),
        *("--seed", "3", "--clip-skip", "2", "--init-image", "a.png", "--strength", "0.6", "--resize-mode", "pad"),
        *("--mask", "m.png", "--masked-content", "fill", "--only-masked", "--mask-blur", "3", "--mask-grow", "2"),
        *("--padding", "16", "--dialect", "compel", "--json"),
    )
    assert done.returncode == 0, done.stderr
    (line,) = lines(done)
    record = read(Path(line["path"])).record
    assert record is not None
    request = record.request(InputStore(tmp_path / "outputs" / "inputs"))
    assert request.init is not None
    assert request.inpaint is not None
    plain = {"prompt": "a star", "negative_prompt": "blur", "model": "builtin", "sampler": "Euler a"}
    plain |= {"dialect": "compel"}
    plain |= {"schedule": "karras", "steps": 11, "guidance": 5.5, "width": 128, "height": 64, "seed": 3, "clip_skip": 2}
    assert {name: getattr(request, name) for name in plain} == plain
    assert (request.init.strength, request.init.resize_mode) == (0.6, "pad")
    assert request.inpaint.mask.getextrema() == (255, 255)
    inpaint = {"masked_content": "fill", "only_masked": True, "mask_blur": 3, "mask_grow": 2, "padding": 16}
    assert {name: getattr(request.inpaint, name) for name in inpaint} == inpaint


def test_a_preset_fills_in_and_options_win(run: Run) -> None:
    preset = next(preset for preset in all_presets() if "{prompt}" in str(preset.fields.get("prompt")))
    (line,) = lines(run("generate", "a star", "--preset", preset.name, "--steps", "3", "--json"))
    record = read(Path(line["path"])).record
    assert record is not None
    fields = record.to_json()
    assert preset.apply("a star")["prompt"] in json.dumps(fields, ensure_ascii=False)
    assert read(Path(line["path"])).fields["steps"] == 3
    assert "no preset Nothing" in complaint(run("generate", "a", "--preset", "Nothing"))


def test_a_style_is_a_preset_too(run: Run) -> None:
    style = next(one for one in load(HERE / "presets" / "styles") if "{prompt}" in str(one.fields.get("prompt")))
    (line,) = lines(run("generate", "a star", "--preset", style.name, "--steps", "1", "--json"))
    assert read(Path(line["path"])).fields["prompt"] == style.apply("a star")["prompt"]


def test_what_was_begun_and_not_ended_is_told_and_runs(run: Run) -> None:
    done = run("generate", "a {red|blue ((star", "--negative-prompt", "x]", "--steps", "1", "--json")
    assert (done.returncode, len(lines(done))) == (0, 1)
    told = done.stderr.splitlines()
    assert [one.partition(":")[2].split(":")[0].strip() for one in told] == ["prompt", "prompt", "negative_prompt"]
    for one, words in zip(told, ("{red|blue ((star", "((star", "x]"), strict=True):
        assert one.endswith(words)
    assert "no list called nosuch" in complaint(run("generate", "a __nosuch__"))


def test_choices_are_drawn_image_by_image(run: Run) -> None:
    given = ("--batch-size", "3", "--seed", "5", "--steps", "1", "--json")
    made = [line for line in lines(run("generate", "a {red|blue|green} star", *given)) if "kind" not in line]
    assert [line["seed"] for line in made] == [5, 6, 7]
    for line in made:
        record = read(Path(line["path"])).record
        assert record is not None
        assert record.settings["template"] == "a {red|blue|green} star"
        assert record.settings["prompt"] == resolve("a {red|blue|green} star", line["seed"], {}).prompt


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("--steps", "0"), "steps"),
        (("--steps", "two"), "--steps"),
        (("--guidance", "nan"), "guidance"),
        (("--guidance", "-1"), "guidance"),
        (("--width", "513"), "width"),
        (("--height", "0"), "height"),
        (("--seed", "4294967296"), "seed"),
        (("--seed", "-2"), "seed"),
        (("--batch-size", "0"), "batch_size"),
        (("--sampler", "Best"), "--sampler"),
        (("--sampler", "DDPM", "--schedule", "none"), "--schedule"),
        (("--model", "best"), "model"),
        (("--init-image", "missing.png"), "init_image"),
        (("--init-image", "text.png"), "text.png"),
        (("--init-image", "a.png", "--strength", "2"), "strength"),
        (("--init-image", "a.png", "--mask", "small.png"), "mask"),
        (("--mask", "a.png"), "init_image"),
        (("--outpaint", "8,0,0,0"), "init_image"),
        (("--init-image", "a.png", "--outpaint", "8"), "outpaint"),
        (("--init-image", "a.png", "--outpaint", "0,0,0,0"), "outpaint"),
        (("--init-image", "a.png", "--mask", "a.png", "--outpaint", "8,0,0,0"), "mask"),
        (("--init-image", "outputs"), "init_image"),
        (("--strength", "0.5"), "init_image"),
        (("--nonsense",), "--nonsense"),
        (("--json", "--steps", "0"), "steps"),
    ],
)
def test_bad_input_is_one_sentence_that_names_the_field(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], field: str
) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    Image.new("L", (32, 32), 255).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    assert field in complaint(run("generate", "a", *arguments))
    assert not list((tmp_path / "outputs").rglob("*-*.png"))


def test_a_picture_goes_on_beyond_its_sides(run: Run, tmp_path: Path) -> None:
    Image.effect_mandelbrot((96, 128), (-2, -1.5, 1, 1.5), 40).convert("RGB").save(tmp_path / "a.png")
    done = run("generate", "a star", "--json", "--init-image", "a.png", "--outpaint", "32,0,0,0", "--mask-blur", "2")
    (line,) = lines(done)
    record = read(Path(line["path"])).record
    assert record is not None
    assert (record.settings["width"], record.settings["height"]) == (128, 128)
    assert record.settings["inpaint"]["mask_blur"] == 2
    inputs = InputStore(tmp_path / "outputs" / "inputs")
    mask = inputs.get(record.settings["inpaint"]["mask"])
    assert inputs.get(record.settings["init"]["image"]).size == mask.size == (128, 128)
    assert [mask.getpixel((x, 64)) for x in (0, 31, 60, 127)] == [255, 255, 0, 0]


def _folders(folder: Path, masks: tuple[str, ...]) -> None:
    for number, name in enumerate(("one", "two", "three")):
        (folder / "pictures").mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), (number * 90, 0, 0)).save(folder / "pictures" / f"{name}.png")
    for name in masks:
        (folder / "masks").mkdir(exist_ok=True)
        Image.new("L", (64, 64), 255).save(folder / "masks" / f"{name}.webp", lossless=True)


def test_each_picture_of_a_folder_is_a_run(run: Run, tmp_path: Path) -> None:
    _folders(tmp_path, ("three", "one", "two"))
    begun = ("generate", "a star", "--json", "--steps", "2", "--seed", "5", "--init-image", "pictures")
    starts = set[str]()
    for more in ((), ("--mask", "masks")):
        made = [read(Path(line["path"])).record for line in lines(run(*begun, *more))]
        assert len(made) == 3
        assert [one is not None and (one.settings["inpaint"] is not None) for one in made] == [bool(more)] * 3
        starts |= {one.settings["init"]["image"] for one in made if one is not None}
    assert len(starts) == 3


def test_of_a_folder_all_are_queued_or_none(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _folders(tmp_path, ("one", "three"))
    begun = ("generate", "a star", "--init-image", "pictures")
    assert "two.png" in complaint(run(*begun, "--mask", "masks"))
    Image.new("L", (8, 8), 255).save(tmp_path / "masks" / "two.png")  # of another size: found out as the last is read
    assert "mask" in complaint(run(*begun, "--mask", "masks"))
    monkeypatch.setattr("webui.jobs.several.LIMIT", 2)
    assert "from 1 to 2 pictures to start from, got 3" in complaint(run(*begun))
    assert not list((tmp_path / "outputs").rglob("*-*.png"))


@pytest.mark.parametrize("arguments", [("--port", "x"), ("--port", "65536"), ("nonsense",)])
def test_bad_settings_of_the_page_are_refused(run: Run, arguments: tuple[str, ...]) -> None:
    complaint(run("serve", *arguments))


def test_help_shows_every_command() -> None:
    top = subprocess.run([*COMMAND, "--no-bootstrap", "--help"], capture_output=True, text=True, check=False)
    assert top.returncode == 0
    assert {"serve", "generate", "again", "--no-bootstrap"} <= set(
        top.stdout.replace(":", " ").replace(",", " ").split()
    )


def test_again_says_identical_for_every_picture(run: Run) -> None:
    made = lines(run("generate", "a", "--seed", "1", "--batch-size", "2", "--json"))
    paths = [line["path"] for line in made if "kind" not in line]
    done = run("again", *paths, "--json")
    assert done.returncode == 0, done.stderr
    expected = {"identical": True, "different_pixels": 0, "max_difference": 0, "because": []}
    expected |= {"mean_difference": 0.0, "psnr": None, "ssim": 1.0, "changed": [], "notes": []}
    told = lines(done)
    facts = read(Path(paths[0])).record.facts  # type: ignore[union-attr]
    for one in told:
        now = one.pop("now")  # on what: as the file itself says of how it was made
        assert now
        assert now.items() <= facts.items()
    assert told == [{"path": path, **expected} for path in paths]
    assert run("again", paths[0]).stdout == f"{paths[0]}: identical\n"


def test_again_counts_the_pixels_somebody_changed(run: Run) -> None:
    path = Path(lines(run("generate", "a", "--seed", "1", "--json"))[0]["path"])
    with Image.open(path) as image:
        texts = PngInfo()
        for name, text in image.text.items():  # type: ignore[attr-defined]
            texts.add_itxt(name, text)
        for x in range(3):
            red, green, blue = image.getpixel((x, 0))  # type: ignore[misc]
            image.putpixel((x, 0), (red ^ 1, green, blue))
        image.save(path, pnginfo=texts)
    (line,) = lines(run("again", str(path), "--json"))
    assert (line["identical"], line["different_pixels"], line["max_difference"]) == (False, 3, 1)
    assert line["because"]


def test_again_of_a_strange_picture_is_bad_input(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "strange.png")
    done = run("again", "strange.png")
    assert done.returncode == cli.BAD_INPUT
    assert "Traceback" not in done.stderr
    assert "missing.png" in complaint(run("again", "strange.png", "missing.png", "--json"))


def test_what_libraries_print_never_gets_between_the_json_lines(capfd: pytest.CaptureFixture[str]) -> None:
    with terminal.answers(as_json=True) as answer:
        os.write(1, b"from a library in C\n")
        subprocess.run([sys.executable, "-c", "print('from a process')"], check=True)
        answer({"path": "a"}, "unused")
    print("afterwards")
    out, err = capfd.readouterr()
    assert out == '{"path": "a"}\nafterwards\n'
    assert err == "from a library in C\nfrom a process\n"


def test_a_failed_run_is_one_sentence_and_status_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file is in the way", encoding="utf-8")
    done = run("generate", "a", "--json")
    assert done.returncode == cli.FAILED
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("seedprint: ")


def test_names_and_format_can_be_chosen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ["generate", "a", "--json", "--seed", "7", "--steps", "2", "--engine", "fake", "--sampler", "Euler"]
    options += ["--output-dir", str(tmp_path), "--data-dir", str(tmp_path / "data")]
    assert cli.main([*options, "--name-pattern", "[number]-[sampler]-[seed]", "--image-format", "webp"]) == 0
    assert Path(json.loads(capfd.readouterr().out)["path"]).name == "00001-Euler-7.webp"
    assert cli.main([*options, "--name-pattern", "[seed]"]) == cli.BAD_INPUT
    assert "seedprint: pattern: A name must hold [number]" in capfd.readouterr().err


SLOW = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
sys.path.insert(0, {root!r})
from pipelines.engines.fake import FakeEngine
from webui import server
from webui.commands import main as cli
if __name__ == "__main__":
    server.make_engine = lambda settings: FakeEngine(seconds_per_step=0.05)
    sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.lengthy
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal to send to another console program")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_is_done(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(root=str(ROOT)), encoding="utf-8")
    options = ["generate", "a", "--json", "--batches", "50", "--steps", "4", "--output-dir", str(tmp_path / "outputs")]
    line = [sys.executable, str(tmp_path / "slow.py"), *options]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(how)
        rest, errors = process.communicate(timeout=20)
    assert process.returncode == cli.INTERRUPTED
    assert errors == ""
    assert Path(first["path"]).is_file()
    assert len(rest.splitlines()) < 49


@pytest.mark.lengthy
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal to send to another console program")
def test_a_run_whose_folder_is_gone_says_so_and_waits(tmp_path: Path, run: Run) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(root=str(ROOT)), encoding="utf-8")
    outputs, away = tmp_path / "outputs", tmp_path / "away"
    options = ["generate", "a", "--json", "--batches", "50", "--steps", "4", "--output-dir", str(outputs)]
    line = [sys.executable, str(tmp_path / "slow.py"), *options, "--data-dir", str(tmp_path / "data")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        json.loads(process.stdout.readline())
        outputs.rename(away)
        while not (told := process.stderr.readline()).startswith("seedprint: waiting"):
            assert told  # else it ended
        assert "Ctrl+C" in told
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == cli.INTERRUPTED
    kept = list((tmp_path / "data").glob("command-*/waiting/*"))
    assert kept
    away.rename(outputs)
    before = len(list(outputs.glob("*/*/0*.png")))
    assert run("generate", "b", "--steps", "1").returncode == 0
    assert len(list(outputs.glob("*/*/0*.png"))) == before + len(kept) + 1


@pytest.mark.lengthy
def test_a_terminal_gets_a_progress_bar(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="Windows has no pseudo terminals in the standard library")
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))  # rows, columns, pixels
    places = ["--no-bootstrap", "--engine", "fake", "--output-dir", str(tmp_path)]
    line = [*COMMAND, "generate", "a", "--batches", "3", *places, "--json"]
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=theirs, text=True, check=False)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    os.close(theirs)
    assert "%|" in shown
    assert "/60" in shown  # 3 batches of 20 steps
    assert len(lines(done)) == 4
