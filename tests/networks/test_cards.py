"""Cards of what lies in the models folders: where, with what beside it, used when, and how a picture is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.engines.fake import FakeEngine
from pipelines.errors import InvalidRequest
from tests.models.files import checkpoint, write_folder, write_model
from tests.models.test_referred import adapter
from webui.networks.cards import Card, Cards, fits
from webui.networks.previews import PROMPTS, SEED, Previews, key_of

from .files import write_control, write_lora, write_word


class FakeShelf:
    """What `Cards` asks of a shelf."""

    def __init__(self, folder: Path) -> None:
        self._engine = FakeEngine(folders=(folder,))
        self.used: dict[str, float] = {}
        self.prompts: list[tuple[float, str, str]] = []

    def everything(self) -> Any:
        return self._engine.shelf()

    def uses(self) -> dict[str, float]:
        return self.used

    def asked(self) -> list[tuple[float, str, str]]:
        return self.prompts


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    write_model(folder / "anime.safetensors", checkpoint())
    write_model(folder / "xl" / "grand.safetensors", checkpoint(2048))
    write_lora(folder / "loras" / "people" / "Hat.safetensors")
    write_lora(folder / "loras" / "sketch.safetensors", 2048)
    write_lora(folder / "loras" / "a b <c>.safetensors")
    write_word(folder / "words" / "bad (1).safetensors")
    write_control(folder / "edges.safetensors")
    write_model(folder / "ip" / "look.safetensors", adapter())
    write_model(folder / "soft.safetensors", {"decoder.conv_in.weight": (512, 4, 3, 3)})
    return folder


@pytest.fixture
def shelf(models: Path) -> FakeShelf:
    return FakeShelf(models)


@pytest.fixture
def cards(models: Path, shelf: FakeShelf, tmp_path: Path) -> Cards:
    return Cards([models], Previews(tmp_path / "previews"), shelf)  # type: ignore[arg-type]  # what it asks for is there


def named(cards: Cards) -> dict[str, Card]:
    return {card.info.name: card for card in cards.all()}


def test_what_has_a_card_and_where_it_lies(cards: Cards) -> None:
    found = named(cards)
    assert {name: (card.kind, card.folder) for name, card in found.items()} == {
        "a b <c>": ("lora", "loras"),
        "anime": ("checkpoint", ""),
        "bad (1)": ("embedding", "words"),
        "builtin": ("checkpoint", ""),
        "builtin-tokens": ("checkpoint", ""),
        "builtin-outlines": ("controlnet", ""),
        "edges": ("controlnet", ""),
        "grand": ("checkpoint", "xl"),
        "Hat": ("lora", "loras/people"),
        "look": ("reference", "ip"),
        "sketch": ("lora", "loras"),
    }
    assert {name for name, card in found.items() if card.problem} == {"builtin-outlines", "edges", "look", "a b <c>"}
    assert cards.find(found["Hat"].id) == found["Hat"]
    assert cards.find("0" * 16) is None


def test_what_a_prompt_calls_them(cards: Cards, models: Path) -> None:
    (models / "loras/people/Hat.json").write_text(json.dumps({"preferred weight": 0.65}))
    tags = {name: card.tag for name, card in named(cards).items()}
    assert tags["Hat"] == "<lora:Hat:0.65>"
    assert tags["sketch"] == "<lora:sketch:1>"
    assert tags["bad (1)"] == "bad (1)"
    assert {tags[name] for name in ("anime", "edges", "a b <c>")} == {""}


def test_a_folder_has_what_lies_beside_it(models: Path, cards: Cards) -> None:
    write_folder(models / "dream-v1.5")
    (models / "dream-v1.5.json").write_text(json.dumps({"notes": "mild"}))
    (models / "dream-v1.5.png").write_bytes(b"")
    card = named(cards)["dream-v1.5"]
    assert card.beside.about == "mild"
    assert card.picture == models / "dream-v1.5.png"


def test_which_models_they_are_for(cards: Cards) -> None:
    found = named(cards)
    assert [fits(found["Hat"], family) for family in ("sd1", "sdxl", "flux", "builtin")] == [True, False, False, False]
    assert fits(found["bad (1)"], "sd1")
    assert not fits(found["bad (1)"], "flux")


def test_when_a_prompt_last_asked_for_them(cards: Cards, shelf: FakeShelf) -> None:
    shelf.used = {"anime": 50.0}
    shelf.prompts = [
        (30.0, "a <lora:hat:0.5>", ""),
        (20.0, "a <lora:Hat:1> hatter", "ugly, bad \\(1\\)"),
        (10.0, "sketch", "sketch <lora:nothing:1>"),
    ]
    used = {name: card.used for name, card in named(cards).items()}
    assert (used["Hat"], used["bad (1)"], used["anime"]) == (30.0, 20.0, 50.0)
    assert used["sketch"] is None


def test_a_picture_asks_for_the_same_words_with_every_network(cards: Cards, models: Path, shelf: FakeShelf) -> None:
    (models / "loras/people/Hat.json").write_text(json.dumps({"activation text": "hat, {straw|felt}"}))
    hat = cards.portrait(named(cards)["Hat"], "grand")
    assert (hat.model, hat.seed, hat.images) == ("anime", SEED, 1)
    assert hat.prompt == f"hat, {PROMPTS['']}, <lora:Hat:1>"
    word = cards.portrait(named(cards)["bad (1)"], "anime")
    assert word.prompt == f"{PROMPTS['']}, bad (1)"
    model = cards.portrait(named(cards)["grand"], "anime")
    assert (model.model, model.prompt, model.width) == ("grand", PROMPTS[""], 1024)
    assert cards.portrait(named(cards)["builtin"], "").prompt == PROMPTS["builtin"]
    write_model(models / "late.safetensors", checkpoint())
    assert cards.portrait(named(cards)["Hat"], "late").model == "late"
    shelf.used = {"late": 9.0, "anime": 1.0}
    assert cards.portrait(named(cards)["Hat"], "").model == "late"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("edges", "network_follows_map"),
        ("look", "network_looks_at_picture"),
        ("a b <c>", "network_unspeakable"),
        ("Hat", "network_without_model"),
    ],
)
def test_of_what_no_picture_can_be_made(cards: Cards, models: Path, name: str, code: str) -> None:
    (models / "anime.safetensors").unlink()
    with pytest.raises(InvalidRequest) as caught:
        cards.portrait(named(cards)[name], "grand")
    assert caught.value.note.code == code


def test_choices_in_a_strangers_words_are_letters(cards: Cards, models: Path) -> None:
    (models / "loras/people/Hat.civitai.info").write_text(json.dumps({"trainedWords": ["{straw|felt}"]}))
    assert cards.portrait(named(cards)["Hat"], "").prompt.startswith("\\{straw|felt\\}, ")


def test_a_made_picture_is_kept_until_the_file_is_another(cards: Cards, models: Path, tmp_path: Path) -> None:
    previews, card = Previews(tmp_path / "previews"), named(cards)["Hat"]
    for colour in ("red", "blue"):  # one made anew takes the place
        previews.put(key_of(card.info), Image.new("RGB", (1024, 512), colour))
    kept = named(cards)["Hat"].picture
    assert kept is not None
    assert kept.parent == tmp_path / "previews"
    with Image.open(kept) as image:
        assert image.size == (512, 256)
        red, _, blue = image.convert("RGB").getpixel((9, 9))  # type: ignore[misc]
        assert blue > red
    assert sorted(path.suffix for path in models.rglob("Hat*")) == [".safetensors"]
    (models / "loras/people/Hat.png").write_bytes(b"")
    assert named(cards)["Hat"].picture == models / "loras/people/Hat.png"  # a person's own goes before ours
    (models / "loras/people/Hat.png").unlink()
    write_lora(models / "loras/people/Hat.safetensors", 1024)
    assert named(cards)["Hat"].picture is None


@pytest.mark.attack(6)
def test_no_key_leads_out_of_the_folder(tmp_path: Path) -> None:
    previews = Previews(tmp_path / "previews")
    previews.put("../out", Image.new("RGB", (8, 8)))
    assert list(tmp_path.iterdir()) == []
    assert previews.find("../out") is None
