"""The page's modules: where a browser finds them, and that each finds the others."""

from __future__ import annotations

import json
import posixpath
import re

import pytest
from fastapi.testclient import TestClient

from tests.ui.conftest import Page
from webui.ui.widgets.sources import ROOM, address, scripts, version

OWN = sorted(path.name for path in ROOM.iterdir() if (path / f"{path.name}.html").exists())


def modules(client: TestClient) -> dict[str, str]:
    """The components' own modules by what the page does to begin them."""
    starts = [one["props"].get("js_on_load") or "" for one in client.get("/config").json()["components"]]
    found = [
        re.match(r'import\("([^"]+)"\)\.then\(\(it\) => it\.mount\((\{[^}]*\}), (.*)\)\);$', one) for one in starts
    ]
    return {one[1]: one[3] for one in found if one}


def test_every_component_begins_with_a_module_that_is_there(ui: Page) -> None:
    begun = modules(ui.client)
    assert set(begun) == {address(f"{name}/{name}.js") for name in OWN}
    for place, options in begun.items():
        answer = ui.client.get(place)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" in answer.headers["cache-control"]
        assert re.search(r"^export function mount\(", answer.text, re.MULTILINE)
        assert isinstance(json.loads(options)["words"], dict)


def test_a_component_has_the_words_that_its_script_says(ui: Page) -> None:
    for place, options in modules(ui.client).items():
        folder, words = place.split("/")[3], json.loads(options)["words"]
        text = "".join(script for one, script in scripts().items() if one.startswith(f"{folder}/"))
        said = set(re.findall(r'\b(?:say|tell)\("([a-z0-9_]+)"', text))
        assert said <= words.keys(), folder


@pytest.mark.parametrize("place", scripts())
def test_a_module_finds_those_it_imports(place: str) -> None:
    for wanted in re.findall(r'\bfrom "([^"]+)";$', scripts()[place], re.MULTILINE):
        assert wanted.startswith("."), "modules are served as they are: there is nothing that finds packages"
        assert posixpath.normpath(posixpath.join(posixpath.dirname(place), wanted)) in scripts()


def test_the_page_begins_with_its_head(ui: Page) -> None:
    page = ui.client.get("/").text
    first = re.search(r"<script[^>]*>", page)
    assert first is not None
    assert first[0] == f'<script type="module" src="{address("page/head.js")}">'
    assert set(re.findall(r'rel="prefetch" href="(/page/[^"]+)"', page)) == {address(one) for one in scripts()}


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


def test_the_address_changes_with_any_module(monkeypatch: pytest.MonkeyPatch) -> None:
    before = version()
    changed = {**scripts(), "shared/dom.js": scripts()["shared/dom.js"] + " "}
    monkeypatch.setattr("webui.ui.widgets.sources.scripts", lambda: changed)
    assert version.__wrapped__() != before
