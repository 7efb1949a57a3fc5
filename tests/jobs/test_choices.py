"""Choices in a prompt through the whole product: queued once, drawn image by image, saved, made again."""

import logging
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.engines.fake import FakeEngine
from pipelines.errors import InvalidRequest, Note
from pipelines.shared_database import Database
from pipelines.types import GenerationRequest
from webui import parts
from webui.archive import metadata
from webui.archive.history import History
from webui.archive.record import Record
from webui.archive.store import ImageStore
from webui.jobs import choices
from webui.jobs.kinds import House as MadeWith
from webui.jobs.schema import SCHEMA
from webui.jobs.service import GenerationService
from webui.jobs.status import JobStatus
from webui.jobs.table import JobTable
from webui.library.collection import open_library
from webui.library.wildcard_lists import WildcardFolder
from webui.library.wildcards import has_choices, resolve
from webui.words import LANGUAGES, fault

COLOURS = {"colour": ("red", "green", "blue", "grey")}


def request(**fields: object) -> GenerationRequest:
    return GenerationRequest(**{"width": 64, "height": 64, "steps": 1, "seed": 40, **fields})


class House:
    def __init__(self, folder: Path) -> None:
        self.lists: Mapping[str, Sequence[str]] = COLOURS
        self.engine = FakeEngine()
        self.store = ImageStore(folder / "outputs")
        self.jobs = JobTable(Database(folder / "jobs.sqlite", SCHEMA))
        history = History(folder / "history.sqlite", self.store.root)
        made_with = MadeWith(store=self.store, jobs=self.jobs, history=history, lists=lambda: self.lists)
        self.service = GenerationService(self.engine, made_with, rng=random.Random(0))
        self.service.start()

    def finished(self, job_id: str) -> JobStatus:
        version = -1
        while (status := self.service.wait(job_id, version, 20)) is not None and not status.finished:
            assert status.version != version, "nothing moves"
            version = status.version
        assert status is not None
        return status

    def records(self, status: JobStatus) -> list[Record]:
        found = [metadata.read(saved.path).record for saved in status.saved]
        return [record for record in found if record is not None]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.service.close()


def test_each_image_has_its_own_choice_by_its_own_seed(house: House) -> None:
    template = "a __colour__ {star|heart|moon}"
    status = house.finished(house.service.submit(request(prompt=template, batch_size=4, batches=3)))
    assert status.images == len(status.saved) == 12
    records = house.records(status)
    assert [record.settings["seed"] for record in records] == list(range(40, 52))
    for record in records:
        assert record.settings["prompt"] == resolve(template, record.settings["seed"], COLOURS).prompt
        assert record.settings["template"] == template
        assert record.settings["batch_size"] == 1
    assert len({record.settings["prompt"] for record in records}) > 1


def test_both_prompts_are_drawn_apart_and_both_texts_are_saved(house: House) -> None:
    wish = request(prompt="a {red|green} star", negative_prompt="{red|green}", batches=12)
    records = house.records(house.finished(house.service.submit(wish)))
    pairs = {(record.settings["prompt"], record.settings["negative_prompt"]) for record in records}
    assert len(pairs) > 2  # with one draw for both there would be two
    assert {record.settings["negative_template"] for record in records} == {"{red|green}"}


def test_it_is_made_again_from_its_file_even_without_the_list(house: House) -> None:
    status = house.finished(house.service.submit(request(prompt="__colour__", batches=3)))
    house.lists = {}
    for saved in status.saved:
        again = house.finished(house.service.submit_again(saved.path)).again
        assert again is not None
        assert (again.identical, again.cannot) == (True, None)
    made, repeated = house.engine.batches[:3], house.engine.batches[3:]
    assert [batch.request.prompt for batch in made] == [batch.request.prompt for batch in repeated]
    assert {batch.request.prompt for batch in repeated} <= set(COLOURS["colour"])


def test_it_is_made_again_after_its_list_file_has_changed(house: House, tmp_path: Path) -> None:
    folder = WildcardFolder(tmp_path)
    file = tmp_path / "colour.txt"
    file.write_text("red\ngreen\nblue\n", encoding="utf-8")
    house.lists = folder.lists().lists
    status = house.finished(house.service.submit(request(prompt="a __colour__ star", batches=3)))
    file.write_text("black\nwhite\n__colour__ and grey\n", encoding="utf-8")
    house.lists = folder.lists().lists
    assert "black" in house.lists["colour"]
    for saved, record in zip(status.saved, house.records(status), strict=True):
        again = house.finished(house.service.submit_again(saved.path)).again
        assert again is not None
        assert (again.identical, again.cannot) == (True, None)
        repeated = house.engine.batches[-1].request.prompt
        assert repeated == record.settings["prompt"]
        assert repeated in {"a red star", "a green star", "a blue star"}


def test_a_request_as_run_is_not_drawn_again(house: House) -> None:
    status = house.finished(house.service.submit(request(prompt="__colour__")))
    (record,) = house.records(status)
    as_run = record.request(house.store.inputs)
    house.lists = {"colour": ("black",)}
    (second,) = house.records(house.finished(house.service.submit(as_run)))
    assert second.settings == record.settings


@pytest.mark.parametrize(
    "prompt", ["a red star", "a {prompt} b", "{", "} {a", r"a \__nowhere__", "[a|b] (c:1.2)", " \ta,, \n", "a|b", "{}"]
)
def test_what_holds_no_choice_stays_byte_for_byte(house: House, prompt: str) -> None:
    wish = request(prompt=prompt, negative_prompt=prompt, batch_size=2)
    records = house.records(house.finished(house.service.submit(wish)))
    for record in records:
        assert record.settings["prompt"] == record.settings["negative_prompt"] == prompt
        assert record.settings["template"] is record.settings["negative_template"] is None
        assert record.settings["batch_size"] == 2
    assert house.engine.batches[0].request.prompt == prompt


def test_more_images_than_batches_allow_are_refused_at_once(house: House) -> None:
    wish = request(prompt="{a|b}", batch_size=2, batches=51)
    with pytest.raises(InvalidRequest, match="choices_images") as caught:
        house.service.submit(wish)
    assert (caught.value.field, dict(caught.value.note.values)) == ("batch_size", {"high": 100, "value": 102})
    assert choices.planned(request(prompt="{a|b}", batch_size=2, batches=50), {}).batches == 100
    assert choices.planned(request(prompt="a", batch_size=2, batches=51), {}).images == 102


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
@pytest.mark.parametrize(
    ("text", "code", "values"),
    [
        ("a __colours__", "wildcard_missing", {"name": "colours", "hint": Note("wildcard_nearest", names=("colour",))}),
        ("{x|{2$$__zzz__$$a|b}}", "wildcard_missing", {"name": "zzz", "hint": Note("wildcard_none_near")}),
        ("__no such__, a cat", "wildcard_missing", {"name": "no such", "hint": Note("wildcard_none_near")}),
        ("__col*__ __out/*__", "wildcard_missing", {"name": "out/*", "hint": Note("wildcard_none_near")}),
        ("__init__", "wildcard_missing", {"name": "init", "hint": Note("wildcard_none_near")}),
        (
            "__in/deep__",
            "wildcard_missing_within",
            {"name": "gone", "within": "in/deep", "hint": Note("wildcard_none_near")},
        ),
        ("__empty__", "wildcard_empty", {"name": "empty"}),
        ("{a|__round__}", "wildcard_circle", {"name": "round"}),
    ],
)
def test_a_list_that_is_not_there_is_refused_at_once(
    house: House, field: str, text: str, code: str, values: dict[str, object]
) -> None:
    house.lists = {
        **COLOURS,
        "in/deep": ("a {b|__gone__}",),
        "empty": (),
        "round": ("{a|b} __back__",),
        "back": ("__round__",),
    }
    with pytest.raises(InvalidRequest) as caught:
        house.service.submit(request(**{field: text}))
    assert (caught.value.field, caught.value.note) == (field, Note(code, **values))
    assert house.service.unfinished() == []
    for language in LANGUAGES:
        assert "{" not in fault(caught.value, language).replace("{a|", "")


def test_a_name_that_only_the_choices_put_together_is_no_word_either(house: House) -> None:
    with pytest.raises(InvalidRequest, match="wildcard_assembled"):
        house.service.check(request(prompt="__co{lou|lou}r__"))


def test_a_file_that_has_marks_in_its_name_is_not_taken_for_a_list(house: House) -> None:
    wish = request(prompt="a <lora:my__style__v2:1> __colour__")
    drawn = choices.drawn(choices.planned(wish, COLOURS), 1, COLOURS).prompt
    assert re.fullmatch(r"a <lora:my__style__v2:1> (red|green|blue|grey)", drawn)


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
@pytest.mark.parametrize("text", ["{a|b}" * 2_001, "__long__" * 3], ids=["too many", "too long"])
def test_impossible_choices_are_refused_at_once_with_their_field(house: House, field: str, text: str) -> None:
    house.lists = {"long": ("x" * 7_000,)}
    with pytest.raises(InvalidRequest) as caught:
        house.service.submit(request(**{field: text}))
    assert caught.value.field == field
    assert house.service.unfinished() == []


def test_a_choice_of_loras_is_checked_as_it_is_drawn(house: House) -> None:
    with pytest.raises(InvalidRequest, match="nowhere"):
        house.service.submit(request(prompt="a <lora:{nowhere|nowhere}:1>"))
    house.service.check(request(prompt="{0::<lora:nowhere:1>|a star}"))


def test_a_run_that_a_crash_stopped_goes_on_with_its_own_draws(house: House) -> None:
    template = "{a|b|c|d|e|f}"
    job_id = house.service.submit(request(prompt=template, batches=6))
    job = house.jobs.get(job_id)
    assert job is not None
    assert (job.payload["prompt"], job.payload["template"], job.payload["batches"]) == (template, template, 6)
    house.finished(job_id)
    assert [batch.request.prompt for batch in house.engine.batches] == [
        resolve(template, seed, {}).prompt for seed in range(40, 46)
    ]


WORDS = st.lists(
    st.sampled_from(["a", " ", "{", "}", "{", "}", "|", "\\\\", "\\{", "\\}", "2$$", "3::", "[", "]", "__colour__"])
).map("".join)


@settings(max_examples=300, deadline=None)
@given(WORDS, st.integers(0, 2**32 - 1))
def test_a_prompt_as_run_can_be_written_so_that_it_stays(template: str, seed: int) -> None:
    prompt = resolve(template, seed, COLOURS).prompt
    assert resolve(choices.literal(prompt), 0, {}).prompt == prompt
    if not has_choices(prompt, {}):
        assert choices.literal(prompt) == prompt


def test_what_was_asked_is_the_template() -> None:
    assert choices.asked({"prompt": "red", "template": "{red|blue}", "negative_template": None, "seed": 1}) == {
        "prompt": "{red|blue}",
        "seed": 1,
    }


def test_one_broken_preset_of_a_person_is_left_out_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "broken.yaml").write_text("- {name: a, name_zh: a, steps: 0}\n", encoding="utf-8")
    (tmp_path / "good.yaml").write_text("- {name: mine, name_zh: mine, steps: 5}\n", encoding="utf-8")
    library = open_library(parts.HERE / "presets", tmp_path)
    with caplog.at_level(logging.WARNING):
        found = parts.all_presets(library)
    assert [preset.name for preset in found[len(library.presets) :]] == ["mine"]
    assert "broken.yaml" in caplog.text
