"""The page's modules and styles: where a browser finds them, and that each finds the others."""

from __future__ import annotations

import json
import posixpath
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.ui.conftest import Page
from webui.http.early import OF_OTHER_TABS
from webui.ui.widgets.sources import PARTS, ROOM, SHEET, address, scripts, served, version

OWN = sorted(path.name for path in ROOM.iterdir() if (path / f"{path.name}.html").exists())
BEGIN = re.compile(r'import\("([^"]+)"\)\.then\(\(it\) => it\.begin\("(\w+)", (\{[^}]*\}), (.*)\)\);')


def begun(client: TestClient) -> list[tuple[dict[str, Any], re.Match[str]]]:
    """Our own components and what the page does to begin them."""
    every = [one["props"] for one in client.get("/config").json()["components"]]
    return [(one, found) for one in every if (found := BEGIN.fullmatch(one.get("js_on_load") or ""))]


def parts(client: TestClient) -> dict[str, Any]:
    """What the module of all components exports, by its names."""
    text = client.get(address(PARTS)).text
    return {one[1]: json.loads(one[2]) for one in re.finditer(r"^export const (\w+) = (.*);$", text, re.MULTILINE)}


def test_every_component_begins_with_a_module_that_is_there(ui: Page) -> None:
    found = begun(ui.client)
    assert {one[1] for _, one in found} == {address("shared/begin.js")}
    assert {one[2] for _, one in found} == set(OWN)
    for place in ["shared/begin.js", PARTS, *(f"{name}/{name}.js" for name in OWN)]:
        answer = ui.client.get(address(place))
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" in answer.headers["cache-control"]
        assert "/" not in place or re.search(r"^export (async )?function (mount|begin)\(", answer.text, re.MULTILINE)


def test_the_page_repeats_neither_html_nor_style_nor_words(ui: Page) -> None:
    for properties, one in begun(ui.client):
        assert not properties["html_template"]
        assert not properties["css_template"]
        assert len(one[0]) < 400, one[2]
        assert properties["elem_classes"][-2:] == ["seedprint", f"seedprint-{one[2]}"]
        assert "words" not in json.loads(one[4])
    assert not ui.client.get("/config").json()["css"]


def test_the_html_and_the_words_of_all_come_once(ui: Page) -> None:
    given = parts(ui.client)
    assert given["html"] == {name: (ROOM / name / f"{name}.html").read_text("utf-8") for name in OWN}
    assert given["words"].keys() == set(OWN)
    for name, words in given["words"].items():
        text = "".join(script for one, script in scripts().items() if one.startswith(f"{name}/"))
        said = set(re.findall(r'\b(?:say|tell)\("([a-z0-9_]+)"', text))
        assert said <= words.keys(), name
        assert all(len(both) == 2 and all(both) for both in words.values()), name


def test_one_sheet_has_the_styles_of_all(ui: Page) -> None:
    answer = ui.client.get(address(SHEET))
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    for path in ROOM.rglob("*.css"):
        assert path.read_text("utf-8") in answer.text
        assert path.read_text("utf-8").count("{") == path.read_text("utf-8").count("}"), path
    for path in (path for name in OWN if (path := ROOM / name / f"{name}.css").exists()):
        name, rules = path.stem, path.read_text("utf-8")
        assert f".seedprint-{name}, #seedprint-{name} {{\n" in answer.text.partition(rules)[0]


@pytest.mark.parametrize("place", scripts())
def test_a_module_finds_those_it_imports(place: str) -> None:
    for wanted in re.findall(r'\bfrom "([^"]+)";$', scripts()[place], re.MULTILINE):
        assert wanted.startswith("."), "modules are served as they are: there is nothing that finds packages"
        assert posixpath.normpath(posixpath.join(posixpath.dirname(place), wanted)) in served()


def test_the_page_begins_with_its_head(ui: Page) -> None:
    page = ui.client.get("/").text
    first = re.search(r"<script[^>]*>", page)
    assert first is not None
    assert first[0] == f'<script type="module" src="{address("page/head.js")}">'
    assert set(re.findall(r'rel="prefetch" href="(/page/[^"]+)"', page)) == {
        address(one) for one in scripts() if not one.startswith(OF_OTHER_TABS)
    }
    assert page.count(f'<link rel="stylesheet" href="{address(SHEET)}"><gradio-app') == 1


@pytest.mark.parametrize(
    "path",
    [
        "/page/0000000000000000/page/head.js",
        f"/page/{version()}/none.js",
        f"/page/{version()}/header/__init__.py",
        f"/page/{version()}/..%2F..%2F..%2Fapp.py",
    ],
)
def test_nothing_else_is_served(ui: Page, path: str) -> None:
    assert ui.client.get(path).status_code == 404


@pytest.mark.parametrize("place", ["shared/dom.js", PARTS, SHEET])
def test_the_address_changes_with_anything_that_is_served(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    before = version()
    changed = served() | {place: served()[place] + " "}
    monkeypatch.setattr("webui.ui.widgets.sources.served", lambda: changed)
    assert version.__wrapped__() != before
