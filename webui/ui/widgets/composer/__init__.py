"""The composer under the prompt: words and styles as toggles that keep in step with the text, and one's own presets.

One HTML component with its own script; what it offers is fetched when it is first opened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import gradio as gr
from gradio.i18n import I18nData

from pipelines.errors import InvalidRequest, Note, SeedprintError
from pipelines.types import REQUEST_FIELDS
from webui.library.collection import Library
from webui.library.presets import Preset
from webui.library.saved import SavedPresets
from webui.library.styles_csv import from_preset, read_styles, to_csv
from webui.library.words import Category
from webui.ui.generate.controls import Form, Updates
from webui.ui.house import uploaded_file
from webui.ui.inputs import Dropdown
from webui.ui.labels import word
from webui.ui.lists import offer
from webui.ui.widgets.widget import Widget
from webui.words import LANGUAGES, Language, fault, language_of, say

NAMES: Mapping[str, tuple[str, str]] = {
    "composer": ("Words and styles", "词语与风格"),
    "find": ("Find, in English or Chinese", "查找（中英文均可）"),
    "builtin": ("Built-in model", "内置模型"),
    "builtin_title": ("The words that the built-in model understands", "内置模型认识的词语"),
    "words": ("Words", "词语"),
    "words_title": ("Words for real checkpoints", "适用于真正模型的词语"),
    "styles": ("Styles", "风格"),
    "styles_title": ("Styles wrap your words, each round what is there", "风格包在你的文字外面，可以叠加"),
    "strong": ("These change a picture most.", "这类词对画面影响最大。"),
    "more": ("Show all", "全部显示"),
    "name": ("Name of a preset", "预设名称"),
    "save": ("Save as preset", "存为预设"),
    "hint": (
        "Ctrl+↑/↓ weighs the selection, as in (candle light:1.2); Alt+←/→ moves a phrase.",
        "Ctrl+↑/↓ 调整所选文字的权重，如 (candle light:1.2)；Alt+←/→ 移动短语。",
    ),
    "loading": ("Loading …", "加载中……"),
    "failed": ("The words could not be loaded; open this again.", "词语加载失败，请重新展开。"),
    "mine": ("Mine", "我的预设"),
    "mine_title": ("Your own presets", "你保存的预设"),
    "none": (
        "Nothing kept yet. Set the form, give it a name below, and save.",
        "还没有保存。设好表单，在下方取名并保存。",
    ),
    "rename": ("Rename", "重命名"),
    "duplicate": ("Duplicate", "复制"),
    "up": ("Up", "上移"),
    "down": ("Down", "下移"),
    "earlier": ("The version before this one", "恢复上一个版本"),
    "no_earlier": ("There is no earlier version of “{name}”.", "“{name}”没有更早的版本。"),
    "restored": ("Restored: {names}.", "已恢复：{names}。"),
    "gone": ("Deleted", "已删除"),
    "undelete": ("Bring back", "恢复"),
    "delete": ("Delete; it stays in the history", "删除（历史中保留）"),
    "deleted": (
        "“{name}” is deleted; its file is in presets/user/.history.",
        "已删除“{name}”，文件在 presets/user/.history。",
    ),
    "import": ("Import styles.csv or JSON", "导入 styles.csv 或 JSON"),
    "export": ("Export styles.csv", "导出 styles.csv"),
    "imported": ("{count} styles imported.", "已导入 {count} 个风格。"),
    "saved": ("Saved as “{name}”.", "已存为“{name}”。"),
    "saved_again": ("Saved as “{name}”; the earlier version is kept.", "已存为“{name}”，旧版本已保留。"),
}

# Styles by file: shown in this order, others after them.
STYLE_ROWS: Mapping[str, tuple[str, str]] = {
    "painting": ("Painting", "绘画"),
    "drawing": ("Drawing", "素描版画"),
    "anime-and-comics": ("Anime, comics", "动漫"),
    "photography": ("Photography", "摄影"),
    "three-dimensional": ("3D", "三维"),
    "worlds": ("Worlds", "世界"),
    "graphic": ("Graphic", "平面设计"),
}
# Presets by file, likewise: what is of use to everybody first, what is kept for its history last.
PRESET_GROUPS: Mapping[str, tuple[str, str]] = {
    "settings": ("Settings", "设置"),
    "styles": ("Looks", "画风"),
    "scenes": ("Built-in model", "内置模型"),
    "historic": ("Historic", "历史"),
}
_STYLE_HINT = ("Click wraps the style round your words; click again takes it off.", "点击加上风格，再次点击去掉。")

_SPACED = {"builtin-subject", "builtin-colour", "builtin-place", "builtin-time", "builtin-size", "builtin-position"}
_SINGLE = {"builtin-place", "builtin-time", "builtin-drawing", "builtin-size", "builtin-position"}  # one at a time
_KEPT = tuple(one.name for one in REQUEST_FIELDS if one.setting.page and not one.is_picture)


class Composer(Widget):
    """Value: {"builtin": whether the chosen model is that one, "name", "told", "state"}.

    Events: `submit`, keep the form as a preset; `select`, one's own presets are no longer as they were.
    """

    folder = "composer"
    words = NAMES
    empty: ClassVar[dict[str, Any]] = {"builtin": False}


def build_composer(place: str, library: Library, builtin: bool) -> Composer:
    """Call inside a Blocks context, below the prompt."""
    data, mine = shown_library(library), OwnPresets(library.saved)

    def fetch(_nothing: object = None) -> dict[str, Any]:
        problems = [*library.saved.listing().problems, *library.wildcards.lists().problems]
        return {**data, "problems": [[say(one, language) for language in LANGUAGES] for one in problems]}

    def change(request: list[str]) -> dict[str, Any]:
        return mine.change([str(one) for one in request])

    fetch.__name__, change.__name__ = "library", "change"
    functions = [fetch, change]
    return Composer(
        {"builtin": builtin}, options={"task": place}, elem_id=f"{place}_composer", server_functions=functions
    )


class OwnPresets:
    """What the page may do with one's own presets, by name."""

    def __init__(self, saved: SavedPresets) -> None:
        self.saved = saved

    def change(self, request: Sequence[str]) -> dict[str, Any]:
        """`request`: action, language, name and what the action needs. The names as they are then, and what to tell."""
        action, language, name, more = (*request, "", "", "", "")[:4]
        told, state, spoken = "", "saved", LANGUAGES[language == "1"]
        try:
            told = self._changed(action, name, more, spoken)
        except SeedprintError as error:
            told, state = fault(error, spoken), "refused"
        listing = self.saved.listing()
        if action == "export":
            return {"csv": _exported(listing.presets)}
        mine = [{"name": one.name, "text": _summary(one)} for one in listing.presets]
        gone = list(self.saved.gone())
        return {"mine": mine, "gone": gone, "told": told or _joined(listing.problems, spoken), "state": state}

    def _changed(self, action: str, name: str, more: str, language: Language) -> str:
        names = [one.name for one in self.saved.listing().presets]
        if action == "rename":
            self.saved.rename(name, more)
        elif action == "duplicate":
            self.saved.duplicate(name)
        elif action == "delete":
            self.saved.delete(name)
            return NAMES["deleted"][language == "zh"].format(name=name)
        elif action == "import":
            return self._imported(name, language)
        elif action in ("earlier", "undelete"):
            return self._restored(action, name, language)
        elif action in ("up", "down") and name in names:
            self.saved.move(name, names.index(name) + (1 if action == "down" else -1))
        return ""

    def _restored(self, action: str, name: str, language: Language) -> str:
        """The newest earlier version of a preset, or of a deleted file. What is there now becomes a version."""
        history = self.saved.history(name if action == "earlier" else None)
        version = next((one for one in history if action == "earlier" or one.name == name), None)
        if version is None:
            return NAMES["no_earlier"][language == "zh"].format(name=name)
        names = ", ".join(preset.name for preset in self.saved.restore(version))
        return NAMES["restored"][language == "zh"].format(names=names)

    def _imported(self, path: str, language: Language) -> str:
        """Styles of another program from an uploaded file."""
        file = uploaded_file(path)
        if file is None:
            raise InvalidRequest("name", "import_nothing")
        imported = read_styles(file)
        added, problems = self.saved.add(imported.presets, file.stem)
        told = NAMES["imported"][language == "zh"].format(count=added)
        return " · ".join(filter(None, [told, _joined((*imported.problems[:5], *problems[:5]), language)]))


def _exported(presets: Sequence[Preset]) -> str:
    """The words of those that can be styles, as A1111's styles.csv."""
    styles = []
    for preset in presets:
        with contextlib.suppress(InvalidRequest):  # a prompt without slot means something else there
            styles.append(from_preset(preset))
    return to_csv(styles).decode("utf-8-sig")


def _joined(problems: Sequence[Note], language: Language) -> str:
    return " · ".join(say(one, language) for one in problems)


def _summary(preset: Preset) -> str:
    return " · ".join(f"{key}: {value}" for key, value in preset.fields.items())


def shown_library(library: Library) -> dict[str, Any]:
    """What the script needs: names and explanations as [English, Chinese]."""
    return {"categories": [_category(one) for one in library.categories], "styles": _styles(library.styles)}


def _category(category: Category) -> dict[str, Any]:
    words = [
        {"word": one.word, "name_zh": one.name_zh, "does": one.does, "does_zh": one.does_zh} for one in category.words
    ]
    name = [category.name.partition(" (")[0], category.name_zh.partition("（")[0]]
    return {
        "name": name,
        "does": [category.does, category.does_zh],
        "strong": category.strong,
        "for_builtin": category.for_builtin,
        "single": category.key in _SINGLE,
        "joint": joint(category),
        "words": words,
    }


def joint(category: Category) -> str:
    """How a word of this category joins the prompt."""
    if category.key == "picture-type":
        return "lead"
    if category.group == "symbol":
        return "sign"
    return " " if category.key in _SPACED else ", "


def _styles(styles: Sequence[Preset]) -> list[dict[str, Any]]:
    names = [*STYLE_ROWS, *dict.fromkeys(one.group for one in styles if one.group not in STYLE_ROWS)]
    rows = []
    for name in names:
        found = [
            {
                "name": [one.name, one.name_zh],
                **{key: str(one.fields.get(key, "")) for key in ("prompt", "negative_prompt")},
            }
            for one in styles
            if one.group == name
        ]
        if found:
            rows.append({"name": list(STYLE_ROWS.get(name, (name, name))), "does": list(_STYLE_HINT), "styles": found})
    return rows


def preset_words(presets: Sequence[Preset]) -> dict[str, tuple[str, str]]:
    """The key of each place in `presets` -> what the list calls it: its group, and its name."""
    names = {}
    for place, preset in enumerate(presets):
        english, chinese = PRESET_GROUPS.get(preset.group, (preset.group, preset.group))
        names[f"preset_{place}"] = (f"{english} · {preset.name}", f"{chinese} · {preset.name_zh}")
    return names


def preset_choices(presets: Sequence[Preset], library: Library, own: frozenset[str]) -> list[tuple[Any, str]]:
    """(shown, name): a person's own as they are now, then the shipped ones, group by group, under their place's key.

    `presets` is what the page was built with, `own` the names of those in it that are no shipped ones.
    """
    order = {group: place for place, group in enumerate(PRESET_GROUPS)}
    shipped = [(place, preset) for place, preset in enumerate(presets) if preset.name not in own]
    shipped.sort(key=lambda one: order.get(one[1].group, len(order)))
    mine = [(preset.name, preset.name) for preset in library.saved.listing().presets]
    named = [(I18nData(f"preset_{place}"), preset.name) for place, preset in shipped]
    return [(word("preset_none"), ""), *mine, *named]


class PresetKeeper:
    """Keeps a form as a preset."""

    def __init__(self, form: Form, composer: Composer, library: Library) -> None:
        self.form, self.composer, self.library = form, composer, library

    def keep(self, values: dict[Any, Any], request: gr.Request) -> Updates:
        """Saves what the form shows under the name given in the composer; a name of one's own is saved over."""
        language = language_of(request)
        given = values[self.composer] if isinstance(values[self.composer], dict) else {}
        builtin = bool(given.get("builtin"))
        try:
            told = self._saved(str(given.get("name") or ""), values, language)
        except SeedprintError as error:
            return {self.composer: _told(builtin, fault(error, language), "refused")}
        return {self.composer: _told(builtin, told, "saved")}

    def _saved(self, name: str, values: dict[Any, Any], language: Language) -> str:
        kept = {key: value for key, value in self.form.read(values).items() if key in _KEPT}
        if kept.get("seed") == -1:
            kept["seed"] = None
        # an empty box is not "no words"
        fields = {key: value for key, value in kept.items() if value != "" and (value is not None or key == "seed")}
        earlier = {preset.name.casefold() for preset in self.library.saved.listing().presets}
        preset = self.library.saved.save(name, fields, replace=True)
        key = "saved_again" if preset.name.casefold() in earlier else "saved"
        return NAMES[key][language == "zh"].format(name=preset.name)


def _told(builtin: bool, text: str, state: str) -> dict[str, Any]:
    return {"builtin": builtin, "told": text, "state": state}


def wire_composer(composer: Composer, form: Form, library: Library, lists: PresetLists) -> None:
    """Connects a composer with its form, and with the list of presets."""
    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    form["model"].change(
        None,
        [form["model"], composer],
        composer,
        js="(name, value) => ({...value, builtin: name === 'builtin'})",
        api_visibility="private",
    )
    keeper = PresetKeeper(form, composer, library)
    inputs: set[Any] = {composer, *form.components()}
    kept: Any = composer.submit(keeper.keep, inputs, [composer], api_name="form_keep_preset", **quiet)
    offer(kept.then, lists.refreshed, lists.boxes, lists.boxes, api_name="form_presets_kept", **quiet)
    offer(composer.select, lists.refreshed, lists.boxes, lists.boxes, api_name="form_presets_changed", **quiet)


class PresetLists:
    """The drop-down lists of presets."""

    def __init__(self, presets: Sequence[Preset], library: Library, own: frozenset[str], boxes: list[Dropdown]) -> None:
        self.presets, self.library, self.own, self.boxes = presets, library, own, boxes

    def refreshed(self, *chosen: str) -> dict[Any, Any]:
        """A box whose choice is gone shows none: gradio's script fails on a value that is not among the choices."""
        choices = preset_choices(self.presets, self.library, self.own)
        names = {name for _shown, name in choices}
        shown = zip(self.boxes, chosen, strict=True)
        return {box: gr.update(choices=choices, value=name if name in names else "") for box, name in shown}
