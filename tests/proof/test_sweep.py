from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.engines.fake import FakeEngine
from pipelines.errors import PLAIN, Cancelled, ModelError, Note
from pipelines.groups import InitImage, Inpaint, Variation
from pipelines.types import PROMPT_RULES, Batch, GenerationRequest, GenerationResult, OnProgress, Progress
from tests.conftest import ROOT
from webui.archive import VERSION, metadata, pictures
from webui.archive.inputs import InputStore
from webui.archive.store import ImageStore, Saving
from webui.proof import sweep
from webui.proof.sweep import AgainReport
from webui.words import say


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    made = ImageStore(tmp_path / "outputs")
    made.prepare()
    return made


def saved(store: ImageStore, **fields: object) -> list[Path]:
    request = GenerationRequest(**{"prompt": "a star", "width": 64, "height": 64, "steps": 2, "seed": 3, **fields})
    assert request.seed is not None
    batches = request.batches_from(request.seed)
    return [store.save(result).path for batch in batches for result in FakeEngine().generate(batch, lambda _: None)]


def quiet(_: Progress) -> None:
    return None


def test_images_of_one_batch_are_made_together(store: ImageStore) -> None:
    files = saved(store, batch_size=3, batches=2) + saved(store, prompt="another")
    engine = FakeEngine()
    reports = list(sweep.sweep(engine, store.inputs, files[::-1], quiet))
    assert len(engine.batches) == 3
    assert {report.path for report in reports} == {str(file) for file in files}
    assert all(report.identical for report in reports)


def test_variations_of_one_batch_are_made_together_and_those_of_another_run_are_not_taken_for_them(
    store: ImageStore,
) -> None:
    """All have one seed and differ by their variation seeds alone."""
    files = [file for seed in (5, 90) for file in saved(store, batch_size=2, variation=Variation(seed=seed))]
    assert len({file.read_bytes() for file in files}) == 4
    engine = FakeEngine()
    reports = list(sweep.sweep(engine, store.inputs, files[::-1], quiet))
    assert len(engine.batches) == 2
    assert len(reports) == 4
    assert all(report.identical for report in reports)


def test_a_file_that_cannot_is_told_and_the_others_go_on(store: ImageStore, tmp_path: Path) -> None:
    (good,) = saved(store)
    plain = tmp_path / "plain.png"
    Image.new("RGB", (8, 8)).save(plain)
    broken = tmp_path / "broken.png"
    broken.write_bytes(good.read_bytes()[:200])
    reports = {
        Path(report.path).name: report
        for report in sweep.sweep(FakeEngine(), store.inputs, [plain, broken, tmp_path / "gone.png", good], quiet)
    }
    assert reports[good.name].identical
    for name in ("plain.png", "broken.png", "gone.png"):
        assert reports[name].cannot, name
        assert not reports[name].identical


def test_an_archive_that_was_moved_has_its_inputs_with_it(tmp_path: Path) -> None:
    """Both `verify FOLDER` and `again FILE`: a default archive elsewhere knows nothing of the pictures."""
    archive = ImageStore(tmp_path / "outputs")
    archive.prepare()
    init = InitImage(image=Image.effect_noise((64, 64), 50).convert("RGB"))
    mask = Inpaint(mask=Image.new("L", (64, 64), 255))
    saved(archive, init=init)
    saved(archive, init=init, inpaint=mask, seed=9)
    moved = (tmp_path / "outputs").rename(tmp_path / "elsewhere")
    own = InputStore(tmp_path / "default" / "inputs")
    reports = list(sweep.sweep(FakeEngine(), own, sweep.files_in([moved]), quiet))
    assert [(report.cannot, report.identical) for report in reports] == [(None, True)] * 2
    # a copy that was changed there counts for nothing: then ours, and without that a reason
    for file in (moved / "inputs").glob("*.png"):
        Image.new("RGB", (64, 64)).save(file)
    assert all(report.cannot for report in sweep.sweep(FakeEngine(), own, sweep.files_in([moved]), quiet))
    (tmp_path / "default").mkdir()
    own.put(init.image), own.put(mask.mask)
    assert all(report.identical for report in sweep.sweep(FakeEngine(), own, sweep.files_in([moved]), quiet))


def test_a_missing_model_is_a_sentence_for_each_image_of_the_batch(store: ImageStore) -> None:
    files = saved(store, batch_size=2)
    engine = FakeEngine(fail_on={3: ModelError("model_missing", name="it")})
    told = [report.cannot for report in sweep.sweep(engine, store.inputs, files, quiet)]
    assert told == [Note("model_missing", name="it")] * 2


@pytest.mark.parametrize("kind", ["webp", "jpeg", "avif"])
def test_every_format_is_judged_by_the_pixels_that_were_made(tmp_path: Path, kind: str) -> None:
    store = ImageStore(tmp_path / "outputs", saving=Saving(format=kind))
    store.prepare()
    (file,) = saved(store)
    record = metadata.read(file).record
    assert record is not None
    assert record.facts["prompt_rules"] == PROMPT_RULES
    (report,) = sweep.sweep(FakeEngine(), store.inputs, [file], quiet)
    assert report.identical, report

    class Other(FakeEngine):
        def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
            results = super().generate(batch, on_progress)
            for result in results:
                result.image.putpixel((0, 0), (1, 2, 3))
            return results

    (report,) = sweep.sweep(Other(), store.inputs, [file], quiet)
    assert not report.identical
    assert (report.because[0].code == "lossy_copy") == (kind != "webp")


def reported(store: ImageStore, file: Path, engine: FakeEngine) -> AgainReport:
    (report,) = sweep.sweep(engine, store.inputs, [file], quiet)
    return report


class Changed(FakeEngine):
    """A later version of the program: other facts, and other pixels where `pixels` says so."""

    def __init__(self, *, pixels: bool, **facts: object) -> None:
        super().__init__()
        self.pixels, self.facts = pixels, facts

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        made = []
        for result in super().generate(batch, on_progress):
            if self.pixels:
                red, green, blue = result.image.getpixel((5, 6))
                result.image.putpixel((5, 6), (red ^ 8, green, blue))
            made.append(replace(result, facts={**result.facts, **self.facts}))
        return made


def edited(file: Path) -> None:
    """One pixel painted over by another program, which kept the texts."""
    with Image.open(file) as image:
        texts, image = dict(image.text), image.convert("RGB")  # type: ignore[attr-defined]
    info = PngInfo()
    for key, value in texts.items():
        info.add_itxt(key, value)
    red, green, blue = image.getpixel((1, 2))
    image.putpixel((1, 2), (red, green ^ 64, blue))
    image.save(file, pnginfo=info)


def test_a_picture_that_differs_says_which_facts_changed(store: ImageStore) -> None:
    (file,) = saved(store)
    report = reported(store, file, Changed(pixels=True, dtype="float32", seconds=7.0))
    assert (report.identical, report.different_pixels, report.max_difference) == (False, 1, 8)
    assert report.because == report.changed
    assert report.because == (Note("fact_changed", name="dtype", then=Note("nothing"), now="float32"),)


def with_facts(store: ImageStore, **facts: object) -> Path:
    """A picture whose record says so much and no more."""
    request = GenerationRequest(prompt="a star", width=64, height=64, steps=2, seed=3)
    (result,) = FakeEngine().generate(Batch(request=request, seeds=(3,)), quiet)
    return store.save(replace(result, facts={"engine": "fake", **facts})).path


@pytest.mark.parametrize(
    ("recorded", "read_by", "because"),
    [
        ({}, 1, ()),  # version 0.1.0 did not say
        ({"prompt_rules": 1}, 1, ()),
        ({"prompt_rules": 2}, 2, ()),
        ({"prompt_rules": 3}, 2, (Note("prompt_rules_changed", then=3, now=2),)),
        ({"prompt_rules": "x"}, 2, (Note("prompt_rules_changed", then="x", now=2),)),
    ],
)
def test_prompts_are_read_by_the_rules_of_then(
    store: ImageStore, recorded: dict[str, object], read_by: int, because: tuple[Note, ...]
) -> None:
    """Rules that this version does not know are named."""
    engine = Changed(pixels=True)
    report = reported(store, with_facts(store, **recorded), engine)
    assert [batch.prompt_rules for batch in engine.batches] == [read_by]
    assert report.because == (because or (Note("no_fact_differs"),))


def test_pictures_of_other_rules_are_other_batches(store: ImageStore) -> None:
    engine = FakeEngine()
    files = [with_facts(store), with_facts(store, prompt_rules=1), with_facts(store, prompt_rules=2)]
    assert all(report.identical for report in sweep.sweep(engine, store.inputs, files, quiet))
    assert [batch.prompt_rules for batch in engine.batches] == [1, 2]


@pytest.mark.parametrize("threads", ["x", 0, -1, 2.5, True, 10**9, [1]])
def test_a_record_cannot_ask_for_any_threads(store: ImageStore, threads: object) -> None:
    engine = FakeEngine()
    list(sweep.sweep(engine, store.inputs, [with_facts(store, threads=threads), with_facts(store, threads=3)], quiet))
    assert [batch.threads for batch in engine.batches] == [None, 3]


def test_another_version_of_the_program_is_named_where_its_picture_differs(store: ImageStore) -> None:
    file = next((ROOT / "tests" / "data" / "v0.1.0" / "outputs" / "txt2img").glob("*/00001-*.png"))
    report = reported(store, file, FakeEngine())
    assert report.because[-1] == Note(
        "fact_changed", name="program", then="seedprint 0.1.0", now=f"seedprint {VERSION}"
    )
    (own,) = saved(store)
    assert all(note.values.get("name") != "program" for note in reported(store, own, Changed(pixels=True)).because)


def test_who_paints_over_an_old_picture_is_no_other_version(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = saved(store)
    edited(file)
    monkeypatch.setattr(sweep, "PROGRAM", "seedprint 9")
    assert [note.code for note in reported(store, file, FakeEngine()).because] == ["pixels_changed"]


def test_facts_that_changed_are_told_of_a_picture_that_is_the_same(store: ImageStore) -> None:
    (file,) = saved(store)
    report = reported(store, file, Changed(pixels=False, dtype="float32"))
    assert report.identical
    assert report.because == ()
    assert len(report.changed) == 1


def test_a_picture_that_differs_without_a_reason_says_that_there_is_none(store: ImageStore) -> None:
    (file,) = saved(store)
    report = reported(store, file, Changed(pixels=True))
    assert (len(report.because), report.changed) == (1, ())


def test_an_edited_file_is_told_before_the_facts(store: ImageStore) -> None:
    (file,) = saved(store)
    edited(file)
    alone = reported(store, file, FakeEngine())
    assert (alone.identical, alone.different_pixels, len(alone.because)) == (False, 1, 1)
    with_facts = reported(store, file, Changed(pixels=True, dtype="float32"))
    assert with_facts.different_pixels == 2
    assert with_facts.because == (alone.because[0], *with_facts.changed)
    untouched = reported(store, saved(store, prompt="another")[0], Changed(pixels=True))
    assert untouched.because != alone.because


def test_a_lossy_file_is_told_before_the_facts(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "outputs", saving=Saving(format="jpeg"))
    (file,) = saved(store)
    alone, with_facts = (reported(store, file, Changed(pixels=True, **facts)) for facts in ({}, {"dtype": "float32"}))
    assert not alone.identical
    assert len(alone.because) == 1
    assert with_facts.because == (alone.because[0], *with_facts.changed)
    assert len(with_facts.changed) == 1


def test_a_lossy_copy_that_happens_to_be_equal_is_no_proof(tmp_path: Path) -> None:
    """JPEG maps many pictures to one: equal pixels in the copy are not the pixels that were made."""
    store = ImageStore(tmp_path / "outputs", saving=Saving(format="jpeg"))
    (file,) = saved(store)
    kept = pictures.read(file)

    class Copy(FakeEngine):
        def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
            return [replace(result, image=kept) for result in super().generate(batch, on_progress)]

    report = reported(store, file, Copy())
    assert (report.identical, report.different_pixels) == (False, 0)


def test_cancelling_ends_the_sweep(store: ImageStore) -> None:
    def cancel(_: Progress) -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        list(sweep.sweep(FakeEngine(), store.inputs, saved(store), cancel))


def test_the_difference_is_counted_as_it_is_defined() -> None:
    first = Image.new("RGB", (4, 2), (100, 100, 100))
    second = first.copy()
    second.putpixel((0, 0), (110, 100, 90))
    second.putpixel((3, 1), (100, 101, 100))
    found = sweep.compare(first, second)
    assert (found.pixels, found.max) == (2, 10)
    assert found.mean == pytest.approx(21 / 24)  # 10 + 10 + 1 over 4 × 2 × 3 values
    # mean squared error 201 / 24 -> 10 log10(255² / 8.375) = 38.901 dB
    assert found.psnr == pytest.approx(38.901, abs=1e-3)
    assert sweep.compare(first, first).psnr is None
    assert sweep.compare(first, Image.new("RGB", (2, 2))).pixels == 8


def test_structural_similarity_is_part_of_the_difference() -> None:
    """Noise and a shift of brightness of the same mean error: the eye, and SSIM, mind the noise more."""
    first = Image.linear_gradient("L").convert("RGB")
    brighter = first.point(lambda value: min(255, value + 8))
    noisy = Image.effect_noise(first.size, 20).convert("RGB")
    noisy = Image.blend(first, noisy, 0.5)
    same, shifted, noise = (sweep.compare(first, other).ssim for other in (first, brighter, noisy))
    assert same == 1.0
    assert shifted is not None
    assert noise is not None
    assert noise < 0.5 < 0.95 < shifted < 1
    small = Image.new("RGB", (8, 64))
    assert sweep.compare(small, Image.new("RGB", (8, 64), "red")).ssim is None  # smaller than the measure's window


def test_the_difference_picture_shows_a_small_difference_strongly() -> None:
    first = Image.new("RGB", (4, 2), (100, 100, 100))
    second = first.copy()
    second.putpixel((1, 0), (103, 100, 98))
    shown, factor = sweep.amplified(first, second)
    assert factor == 85  # 3 becomes 255
    assert shown.getpixel((1, 0)) == (255, 0, 170)
    assert shown.getpixel((0, 0)) == (0, 0, 0)
    assert sweep.amplified(first, first)[1] == 255


def test_facts_that_differ_are_named_and_idle_ones_are_not() -> None:
    before = {"dtype": "bfloat16", "seconds": 1.0, "model": {"name": "a", "sha256": "1"}, "torch": "2.13.0"}
    now = {"dtype": "float32", "seconds": 2.0, "model": {"name": "a", "sha256": "2"}, "torch": "2.13.0", "tf32": True}
    found = sweep.differences(before, now)
    assert found == [
        Note("fact_changed", name="dtype", then="bfloat16", now="float32"),
        Note("fact_changed", name="model.sha256", then="1", now="2"),
        Note("fact_changed", name="tf32", then=Note("nothing"), now=True),
    ]
    assert say(found[0], "en") == "dtype: was bfloat16, is float32"


def test_folders_are_walked_without_grids_inputs_and_hidden_files(tmp_path: Path) -> None:
    for name in ("b.png", "a/c.PNG", "a/grid-1.png", "a/note.txt", "inputs/x.png", ".trash/y.png", "d.webp"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    names = [file.relative_to(tmp_path).as_posix() for file in sweep.files_in([tmp_path, tmp_path / "b.png"])]
    assert names == ["a/c.PNG", "b.png", "d.webp"]


def test_a_report_is_kept_as_it_is(store: ImageStore) -> None:
    (file,) = saved(store)
    edited(file)
    facts = {"model": {"name": "a", "layers": [1, 2]}, "dtype": "float32", "memory_plan": ["tiled decode"]}
    report = replace(reported(store, file, Changed(pixels=True, **facts)), notes=(Note("no_settings"),))
    assert {note.values["name"] for note in report.changed} >= {"dtype", "memory_plan", "model"}
    assert AgainReport.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_a_report_of_version_010_reads_with_its_sentences() -> None:
    """As its `to_json` wrote it: texts."""
    kept = {
        "path": "/a.png", "identical": False, "different_pixels": 3, "max_difference": 9, "mean_difference": 0.5,
        "psnr": 40.0, "ssim": 0.9, "because": ["dtype: was bfloat16, is float32"], "cannot": None,
        "changed": ["dtype: was bfloat16, is float32"], "notes": ["The model a is now called b; it is the same file."],
    }  # fmt: skip
    report = AgainReport.from_json(kept)
    assert report.because == report.changed == (Note(PLAIN, text="dtype: was bfloat16, is float32"),)
    assert say(report.notes[0], "zh") == "The model a is now called b; it is the same file."
    assert AgainReport.from_json({"path": "/a.png", "cannot": "gone"}).cannot == Note(PLAIN, text="gone")
