"""Which files a request's names mean. Nothing is read: the files are only described."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.errors import InvalidRequest, Note
from pipelines.models import extras
from pipelines.prompts.wish import wish_of
from pipelines.types import GenerationRequest, ModelInfo
from webui.words import LANGUAGES, fault


def file(name: str, kind: str = "lora", family: str = "sd1", **fields: Any) -> ModelInfo:
    path = fields.pop("path", f"/models/{name}.safetensors")
    return ModelInfo(name=name, kind=kind, family=family, path=path, **fields)


def wish(prompt: str = "", **fields: Any) -> GenerationRequest:
    return GenerationRequest(prompt=prompt, **fields)


@pytest.mark.fault(14)
def test_two_files_of_one_name_are_told_apart_by_their_family() -> None:
    files = [file("a/cat"), file("b/cat", family="sdxl")]
    for family, name in (("sd1", "a/cat"), ("sdxl", "b/cat")):
        found = extras.resolve(files, wish("<lora:CAT:0.5>"), family)
        assert [(lora.info.name, lora.in_text, lora.in_unet(1)) for lora in found.loras] == [(name, 0.5, 0.5)]
    with pytest.raises(InvalidRequest) as caught:
        extras.resolve(files, wish("<lora:cat:1>"), "sd2")
    values = {"name": "cat", "kind": Note("noun_lora"), "family": "SD 2.x", "theirs": "SD 1.x"}
    assert (caught.value.field, caught.value.note) == ("prompt", Note("file_family", **values))


def test_what_stays_unclear_is_asked() -> None:
    files = [file("a/cat"), file("b/cat")]
    with pytest.raises(InvalidRequest) as caught:
        extras.resolve(files, wish("<lora:cat:1>"), "sd1")
    assert caught.value.note == Note("file_which", name="cat", names=("a/cat", "b/cat"))
    assert extras.resolve(files, wish("<lora:b/cat:1>"), "sd1").loras[0].info is files[1]


def test_a_lora_that_does_not_tell_its_family_is_tried_only_when_no_other_fits() -> None:
    silent, known = file("a/cat", family="unknown"), file("b/cat")
    assert extras.resolve([silent, known], wish("<lora:cat:1>"), "sd1").loras[0].info is known
    assert extras.resolve([silent, known], wish("<lora:cat:1>"), "sdxl").loras[0].info is silent


def test_a_broken_lora_is_refused_with_its_reason() -> None:
    broken = file("cat", kind="unknown", family="unknown", problem=Note("file_empty"))
    with pytest.raises(InvalidRequest) as caught:
        extras.resolve([broken], wish("<lora:cat:1>"), "sd1")
    assert caught.value.note.values["hint"] == Note("file_broken", name="cat", problem=Note("file_empty"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("GoodHand", Note("names_near", names=(Note("second_download", name="GoodHands (1)", first="GoodHands"),))),
        ("GoodHands", Note("names_near", names=(Note("second_download", name="GoodHands (1)", first="GoodHands"),))),
        ("ink pen", Note("names_near", names=("ink-pen",))),
        ("zzz", Note("names_none_near")),
        ("soft", Note("file_is", name="soft", kind=Note("noun_vae"))),
    ],
)
def test_a_lora_that_is_not_there_is_told_with_what_is(name: str, hint: Note) -> None:
    files = [file("GoodHands (1)"), file("ink-pen"), file("soft", kind="vae")]
    with pytest.raises(InvalidRequest) as caught:
        extras.resolve(files, wish(f"<lora:{name}:1>"), "sd1")
    assert (caught.value.field, caught.value.note) == ("prompt", Note("lora_missing", name=name, hint=hint))
    for language in LANGUAGES:
        assert name in fault(caught.value, language)


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a cat", []),
        ("easyneg", ["easyneg"]),
        ("(EasyNeg:1.3), bad", ["easyneg"]),
        ("[easyneg:dog:3]", ["easyneg"]),
        ("easyneg-v2", ["easyneg-v2"]),
        ("easynegs, uneasyneg, easyneg-v3", []),
        ("# easyneg", []),
        ("<lora:easyneg:1>", []),
        ("easyneg AND easyneg-v2 easyneg", ["easyneg", "easyneg-v2"]),
    ],
)
def test_a_learned_word_is_a_word_of_its_own(prompt: str, found: list[str]) -> None:
    files = [file(name, kind="embedding") for name in ("easyneg", "easyneg-v2")] + [file("x/easyneg")]
    for request in (wish(prompt), wish(negative_prompt=prompt)):
        if "<lora" in prompt and request.negative_prompt:
            continue
        assert [info.name for info in extras.resolve(files, request, "sd1").embeddings] == found


@pytest.mark.parametrize("dialect", ["a1111", "compel"])
@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("GoodHands (1)", "GoodHands (1) cat"),
        ("GoodHands (1)", r"a goodhands \(1\), cat"),
        ("GoodHands (1)", "(GoodHands (1):1.2)"),
        ("bad [v2.1]", r"bad \[v2.1\]"),
        ("bad [v2.1]", "bad [v2.1]"),
        ("hands+", "hands+ cat"),
        ("a+b-c", "a+b-c"),
        ("v1.5 - soft", "v1.5 - soft"),
    ],
)
def test_a_learned_word_may_be_called_anything(name: str, prompt: str, dialect: str) -> None:
    files = [file(name, kind="embedding"), file("GoodHands", kind="embedding"), file("hand", kind="embedding")]
    found = extras.resolve(files, wish(prompt, dialect=dialect), "sd1").embeddings
    assert [info.name for info in found] == [name]


@pytest.mark.parametrize("written", ["x (1)", r"x \(1\)", "X (1)"])
def test_a_lora_and_a_vae_may_be_called_anything(written: str) -> None:
    files = [file("x"), file("x (1)"), file("soft [a].v1+ (1)", kind="vae", fits=("sd1",))]
    found = extras.resolve(files, wish(f"<lora:{written}:1>", vae="soft [a].v1+ (1)"), "sd1")
    assert [lora.info.name for lora in found.loras] == ["x (1)"]
    assert found.vae is files[2]


@pytest.mark.parametrize(("family", "counts"), [("sd1", (17, 26)), ("sd2", (17, 26)), ("sdxl", (12, 20, 26))])
def test_a_list_of_blocks_is_one_of_the_family(family: str, counts: tuple[int, ...]) -> None:
    for count in (12, 17, 20, 26):
        asked = wish(f"<lora:cat:1:lbw={','.join('1' * count)}>")
        if count in counts:
            assert extras.resolve([file("cat", family=family)], asked, family).loras[0].in_text == 1
            continue
        with pytest.raises(InvalidRequest) as caught:
            extras.resolve([file("cat", family=family)], asked, family)
        assert caught.value.note == Note("lora_blocks", name="cat", choices=counts[:2], value=count)


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
@pytest.mark.parametrize("family", ["sd1", "unknown"])
def test_a_tag_that_cannot_be_read_is_refused_at_its_field(field: str, family: str) -> None:
    class Shelf:
        def everything(self) -> list[ModelInfo]:
            return [file("x")]

        def find(self, name: str) -> ModelInfo:
            return file("base", kind="checkpoint", family=family)

    with pytest.raises(InvalidRequest) as caught:
        extras.check(Shelf(), wish(**{field: "a <lora:x:1:lbwe=ALL>"}))  # type: ignore[arg-type]
    assert (caught.value.field, caught.value.note.code) == (field, "tag_parameter")


@pytest.mark.fault(14)
def test_a_learned_word_of_another_family_is_refused_where_it_stands() -> None:
    files = [file("word", kind="embedding", family="sdxl")]
    with pytest.raises(InvalidRequest) as caught:
        extras.resolve(files, wish("a cat", negative_prompt="word"), "sd1")
    assert (caught.value.field, caught.value.note.code) == ("negative_prompt", "file_family")
    assert (caught.value.note.values["name"], caught.value.note.values["theirs"]) == ("word", "SDXL")


def pickles(files: list[ModelInfo], request: GenerationRequest) -> list[ModelInfo]:
    return extras._pickles(files, request, wish_of(request, extras._names(files)))


def test_a_pickle_is_opened_only_when_the_request_may_mean_it() -> None:
    guess: dict[str, Any] = {"kind": "unknown", "family": "unknown", "layout": "pickle"}
    word = file("word", path="/models/word.pt", bytes=10_000, **guess)
    large = file("cat", path="/models/cat.ckpt", bytes=4 * 10**9, **guess)
    refused = file("bad", path="/models/bad.pt", bytes=10_000, problem=Note("refused_before"), **guess)
    files = [word, large, refused]
    assert pickles(files, wish("a cat and a bad dog")) == []
    assert pickles(files, wish("a word of a cat")) == [word]
    assert pickles(files, wish("<lora:cat:1>")) == [large]
    assert pickles(files, wish(vae="word")) == [word]


def test_a_vae_must_be_made_for_the_family() -> None:
    small, large = {"kind": "vae", "family": "unknown"}, {"kind": "vae", "family": "unknown"}
    files = [file("soft", fits=("sd1", "sd2", "sdxl"), **small), file("sharp", fits=("sd3", "flux"), **large)]
    assert extras.resolve(files, wish(), "sd1").vae is None
    assert extras.resolve(files, wish(vae="soft"), "sdxl").vae is files[0]
    for name, family in (("sharp", "sd1"), ("soft", "builtin"), ("none", "sd1")):
        with pytest.raises(InvalidRequest) as caught:
            extras.resolve(files, wish(vae=name), family)
        assert (caught.value.field, caught.value.note.values["name"]) == ("vae", name)
