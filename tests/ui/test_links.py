"""Archives that are reached by links: the folder itself, a folder in it, a file in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import InvalidRequest
from webui.archive.store import opaque_id
from webui.ui.house import House

from .conftest import Page, opened
from .test_events import item, run, value_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights of their own there")


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page whose output folder is a link, with a linked folder and a linked file in it."""
    folder = tmp_path_factory.mktemp("linked")
    for name in ("disk/pictures", "disk/older", "secrets"):
        (folder / name).mkdir(parents=True)
    (folder / "outputs").symlink_to(folder / "disk" / "pictures")
    with opened(folder / "data", folder / "outputs") as page:
        yield page


def house_of(page: Page) -> House:
    parts = page.parts
    return House(
        service=parts.service,
        inputs=parts.store.inputs,
        outputs=parts.store.root,
        library=parts.library,
        reading=parts.reading,
    )


def ids(value: Any) -> list[str]:
    return [one["id"] for one in value["items"]]


def test_the_strips_of_a_linked_archive_show_what_was_made(linked: Page) -> None:
    status = run(linked, "txt2img", prompt="a red star", seed=7, batch_size=2)
    wanted = [saved.path.relative_to(linked.outputs).as_posix() for saved in status.saved]
    house = house_of(linked)
    assert ids(linked.call("lab_recent")["lab_recent"])[:2] == wanted[::-1]
    assert [one["id"] for one in house.items(status.saved, "en")] == wanted
    chosen = house.chosen(item(linked, status, 1))
    assert chosen is not None
    assert chosen.samefile(status.saved[1].path)


def test_what_was_made_while_the_archive_was_reached_otherwise_is_the_same_picture(linked: Page) -> None:
    """The program was started with the folder's own path the day before."""
    saved = run(linked, "txt2img", seed=8).saved[0]
    real = saved.path.resolve()
    assert real != saved.path
    assert opaque_id(linked.outputs, real) == opaque_id(linked.outputs, saved.path) == saved.id
    assert opaque_id(linked.outputs.resolve(), saved.path) == saved.id
    assert opaque_id(linked.outputs, saved.path.parent / ".." / saved.path.parent.name / saved.path.name) == saved.id
    assert house_of(linked).readable(str(real)).samefile(real)
    with pytest.raises(ValueError, match="not below"):
        opaque_id(linked.outputs, linked.outputs.parent / "x.png")


@pytest.mark.parametrize("send", ["img2img", "inpaint", "again", "run"])
def test_a_picture_in_a_linked_folder_is_listed_and_sent(linked: Page, send: str) -> None:
    saved = run(linked, "txt2img", prompt="an older star", seed=9).saved[0]
    older = linked.outputs.parent / "disk" / "older"
    link = linked.outputs / "another disk"
    if not link.exists():
        link.symlink_to(older)
    (older / "kept.png").write_bytes(saved.path.read_bytes())
    linked.parts.history.refresh()
    (entry,) = [one for one in linked.parts.history.recent(100) if one.path.name == "kept.png"]
    place = entry.path.relative_to(linked.outputs).as_posix()
    assert linked.client.get(f"/image/{entry.id}").content == saved.path.read_bytes()
    answer = linked.call("history_send", {"history_view": {"send": send, "place": place}})
    assert "error" not in (value_of(answer["history_view"]) or {})
    assert answer["way"]
    if send == "again":
        assert house_of(linked).readable(str(linked.outputs / place)).samefile(older / "kept.png")


@pytest.mark.fault(30)
@pytest.mark.attack(14, 16)
def test_a_linked_file_is_neither_listed_nor_served_nor_sent(linked: Page) -> None:
    """Whoever may write into the archive cannot have other files shown by a link."""
    secret = linked.outputs.parent / "secrets" / "secret.png"
    Image.new("RGB", (8, 8)).save(secret)
    link = linked.outputs / "link.png"
    if not link.is_symlink():
        link.symlink_to(secret)
    linked.parts.history.refresh()
    assert all(one.path.name != "link.png" for one in linked.parts.history.recent(100))
    assert linked.client.get(f"/image/{opaque_id(linked.outputs, link)}").status_code == 404
    house = house_of(linked)
    assert house.output_file("link.png") is None
    assert house.chosen({"items": [{"id": "link.png"}], "selected": 0}) is None
    for path in (
        link,
        secret,
        linked.outputs / "x" / ".." / ".." / "secrets" / "secret.png",
        f"{link}\0",
        "/elsewhere\0/a.png",
    ):
        with pytest.raises(InvalidRequest):
            house.readable(str(path))
    answer = linked.call("history_send", {"history_view": {"send": "again", "place": "link.png"}})
    assert value_of(answer["history_view"])["error"]


@pytest.mark.parametrize(
    "place",
    [
        "../secrets/secret.png",
        "a/../../secrets/secret.png",
        "{folder}/secrets/secret.png",
        "a/x.sqlite",
        "",
        ".",
        "a\\b.png",
        ".hidden.png",
        ".secret/x.png",
        "a/.trash/x.png",
    ],
)
def test_places_that_lead_elsewhere_or_to_no_picture_are_none(linked: Page, place: str) -> None:
    for folder in (linked.outputs.resolve() / "a", linked.outputs.resolve().parent / "secrets"):
        folder.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(linked.outputs.resolve().parent / "secrets" / "secret.png")  # what .. leads to
    Image.new("RGB", (8, 8)).save(linked.outputs.parent / "secrets" / "secret.png")
    Image.new("RGB", (8, 8)).save(linked.outputs / "a\\b.png")
    (linked.outputs / "a" / "x.sqlite").touch()
    for name in (".hidden.png", ".secret/x.png", "a/.trash/x.png"):
        (linked.outputs / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(linked.outputs / name)
    assert house_of(linked).output_file(place.format(folder=linked.outputs.parent)) is None
