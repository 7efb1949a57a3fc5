"""What leaves the lab: CSV that spreadsheets read, HTML that cannot run, ready-made experiments that can."""

from __future__ import annotations

import base64
import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from pipelines.errors import PLAIN, Note
from pipelines.types import GenerationRequest
from webui.lab.effects import Effect, Number, Results
from webui.lab.experiments import Experiment
from webui.lab.questions import Pair
from webui.lab.report import harmless, shown, to_csv, to_html, to_svg
from webui.lab.shipped import load, read
from webui.library.presets import PresetError
from webui.words import line

from .conftest import House, asked

EVIL = '<script>alert("1")</script>&"\''
ROOT = Path(__file__).resolve().parent.parent.parent


def results() -> Results:
    effect = Effect(
        group=None,
        label=Note(PLAIN, text="=" + EVIL),
        seeds=3,
        distances={"pixels": Number(mean=0.5, low=0.25, high=0.75), "ms_ssim": Number(mean=0.125)},
        against_floor={"pixels": Number(mean=2.0, low=1.0, high=3.0)},
        traits={"redness": Number(mean=-0.1, low=-0.2, high=0.1)},
    )
    return Results(
        reference=Note(PLAIN, text=EVIL),
        cells=6,
        measured=6,
        floor={"pixels": Number(mean=0.25)},
        effects=(effect, replace(effect, group=Note("lab_symbol_place"), label=Note(PLAIN, text="比"))),
        setups=("torch 2", EVIL),
    )


def test_csv() -> None:
    data = to_csv(results())
    assert data.startswith(b"\xef\xbb\xbf")  # spreadsheets take it for Latin-1 otherwise
    floor, first, second = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
    assert (floor["row"], floor["pixels"], floor["seeds"]) == ("same prompt, other seed", "0.25", "")
    assert first["row"] == "'=" + EVIL
    assert [first[name] for name in ("seeds", "pixels", "pixels low", "pixels high")] == ["3", "0.5", "0.25", "0.75"]
    assert [first[name] for name in ("pixels / floor", "ms_ssim low", "ssim", "redness change")] == [
        "2",
        "",
        "",
        "-0.1",
    ]
    assert (second["group"], second["row"]) == ("its place", "比")


@pytest.mark.parametrize(("text", "safe"), [("=1", "'=1"), ("+a", "'+a"), ("@x", "'@x"), ("-", "'-"), ("a=1", "a=1")])
def test_no_formulas(text: str, safe: str) -> None:
    assert harmless(text) == safe


def test_numbers_for_people() -> None:
    assert shown(Number(mean=0.12345, low=0.1, high=0.2)) == "0.123 (0.100 … 0.200)"
    assert (shown(Number(mean=2), 1), shown(None)) == ("2.0", "–")


def test_the_plot_is_xml_with_a_bar_for_each_row() -> None:
    drawn = ElementTree.fromstring(to_svg(results(), "pixels", "title <", "en"))
    bars = [one for one in drawn.iter("{http://www.w3.org/2000/svg}rect") if one.get("fill") == "#059669"]
    assert len(bars) == 2
    widths = {one.get("width") for one in bars}
    assert len(widths) == 1
    whiskers = re.findall(r"M([\d.]+) [\d.]+H([\d.]+)M", ElementTree.tostring(drawn, "unicode"))
    (low, high), left = map(float, whiskers[0]), float(bars[0].get("x") or 0)
    width = float(bars[0].get("width") or 0)
    assert (low - left) / width == pytest.approx(0.5, abs=0.01)  # 0.25 of 0.5
    assert (high - left) / width == pytest.approx(1.5, abs=0.01)  # 0.75 of 0.5
    assert "<script" not in to_svg(results(), "pixels", EVIL, "en")
    ElementTree.fromstring(to_svg(replace(results(), effects=(), floor={}), "pixels", "", "en"))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = dict(attributes)
        assert not [name for name in names if name.startswith("on")]
        self.sources += [str(names[name]) for name in ("src", "href") if name in names]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_report_is_whole_and_harmless(tmp_path: Path) -> None:
    base = GenerationRequest(prompt=f"a star {EVIL}", negative_prompt=EVIL, width=64, height=64)
    experiment = Experiment(name=EVIL, base=base, seeds=(1, 2), question=Pair(phrase="star"))
    picture = tmp_path / "a.png"
    Image.new("RGB", (400, 300), "red").save(picture)
    broken = tmp_path / "b.png"
    broken.write_bytes(b"no picture")
    paths = [picture, None, broken, picture]
    page = to_html(experiment, results(), list(zip(experiment.cells(), paths, strict=True))).decode()
    found = Tags()
    found.feed(page)
    assert "script" not in found.tags
    assert found.tags.count("img") == 2
    assert all(source.startswith("data:image/jpeg;base64,") for source in found.sources)
    with Image.open(io.BytesIO(base64.b64decode(found.sources[0].partition(",")[2]))) as small:
        assert small.size == (192, 144)
    assert any(EVIL in text for text in found.texts)  # escaped, not dropped
    assert "not all made on the same set-up" in page
    assert "Content-Security-Policy" in page


def test_the_report_speaks_chinese(house: House) -> None:
    identity = house.lab.submit(asked())
    house.over(identity)
    found, experiment = house.lab.results(identity), house.lab.experiment(identity)
    assert found is not None
    assert experiment is not None
    page = to_html(experiment, found, house.lab.pictures(identity), "zh").decode()
    assert '<html lang="zh-CN">' in page
    for words in ("同一提示词，换种子", "像素距离", "“a red star”的位置", "由 Seedprint 生成。"):
        assert words in page
    text = Tags()
    text.feed(page.partition("<h1>")[2])
    rest = " ".join(text.texts).replace(experiment.name, "").replace(experiment.base.prompt, "")
    assert not re.search(r"other seed|pictures|Each row|place of|steps|seed ", rest)


def test_a_real_report(house: House) -> None:
    identity = house.lab.submit(asked())
    house.over(identity)
    found, experiment = house.lab.results(identity), house.lab.experiment(identity)
    assert found is not None
    assert experiment is not None
    page = to_html(experiment, found, house.lab.pictures(identity)).decode()
    assert page.count("<img") == 6
    assert "a blue heart | a red star" in page


def test_the_ready_made_experiments() -> None:
    order, isolation, symbols = load(ROOT / "presets" / "experiments")
    assert len(order.experiment.cells()) == 6 * 4
    prompts = {cell.request.prompt for cell in isolation.experiment.cells()}
    assert "a red star; a blue heart on a white background" in prompts
    assert {
        "a red star and a !!??blue heart on a white background",
        "a red star and a BLUE HEART on a white background",
    } < {cell.request.prompt for cell in symbols.experiment.cells()}
    for one in (order, isolation, symbols):
        assert one.experiment.base.model == "builtin"
        steps = sum(cell.request.steps_run for cell in one.experiment.cells())
        assert steps <= 400  # a minute on two slow cores, at 0.15 s a step


GOOD = "name: a\n  name_zh: b\n  about: c\n  about_zh: d"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1", "must be a list of experiments"),
        ("- 3", ":1: must be a mapping"),
        ("- name: x", "name_zh must be text"),
        (f"- {GOOD}\n  more: 1", "more is unknown"),
        (f"- {GOOD}", "base must hold settings"),
        (
            f"- {GOOD}\n  base: {{speed: 3}}\n  seeds: [1]\n  question: {{kind: ab, phrase: x}}",
            "base must hold settings",
        ),
        (
            f"- {GOOD}\n  base: {{steps: 0}}\n  seeds: [1]\n  question: {{kind: ab, phrase: x}}",
            "Steps must be a whole number from 1",
        ),
        (
            f"- {GOOD}\n  base: {{}}\n  seeds: [a]\n  question: {{kind: ab, phrase: x}}",
            "Seeds must be a whole number from 0",
        ),
        ("- [", "is not YAML"),
    ],
)
def test_faulty_files_are_told(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PresetError) as caught:
        read(file)
    assert re.match(f"mine.yaml.*{re.escape(words)}", line(caught.value))
