"""A person's own presets in `presets/user/`: saved whole or not at all, with history; changes on disk are noticed."""

from __future__ import annotations

import json
import threading
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.errors import InvalidRequest, Note, StorageError
from webui.archive.naming import is_reserved, slug
from webui.library.files import LibraryError
from webui.library.presets import Preset, make, read
from webui.library.versions import Version, VersionedFolder

NAME_LIMIT = 80  # characters
ORDER = ".order"  # a JSON list of names; what it does not name comes last

_SUFFIX = ".yaml"
_FILE_LIMIT = 100  # bytes of a file's name without suffix
_TOGETHER = 100  # presets in one file when many come at once

_LINE_ENDS = frozenset("\r\x85\u2028\u2029")

_Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Every preset that can be read, in its order, and a sentence for each file that cannot."""

    presets: tuple[Preset, ...] = ()
    problems: tuple[Note, ...] = ()


class _Dumper(yaml.SafeDumper):
    """Writes any text so that it comes back: YAML folds Unicode's line ends into spaces unless they are escaped."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if _LINE_ENDS.intersection(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


class SavedPresets:
    """Safe to use from several threads. `taken`: names of the shipped ones, which nobody may take.

    Rule breaks raise InvalidRequest (field "name" or the setting's), a bad disk StorageError.
    """

    def __init__(self, folder: Path, *, taken: Collection[str] = ()) -> None:
        self.folder = folder
        self._files = VersionedFolder(folder)
        self._taken = {_key(name) for name in taken}
        self._lock = threading.RLock()
        self._seen: _Signature | None = None
        self._listing = Listing()
        self._places: dict[str, Path] = {}  # name's key -> file

    def listing(self) -> Listing:
        """What is there now: files are read again only if a name, a time or a size has changed."""
        with self._lock:
            signature = self._signature()
            if signature != self._seen:
                self._read()
                self._seen = signature
            return self._listing

    def get(self, name: str) -> Preset:
        with self._lock:
            self.listing()
            found = next((one for one in self._listing.presets if _key(one.name) == _key(name)), None)
        if found is None:
            raise InvalidRequest("name", "preset_unknown", value=name)
        return found

    def save(self, name: str, fields: Mapping[str, Any], *, about: str = "", replace: bool = False) -> Preset:
        """A new preset, or with `replace` also a new version of the one with this name. None counts as not given."""
        with self._lock:
            name, known = self._checked(name), {_key(one.name) for one in self.listing().presets}
            settings = {key: value for key, value in fields.items() if value is not None}
            words = {"about": about.strip(), "about_zh": about.strip()} if about.strip() else {}
            data = {"name": name, "name_zh": name, **words, **settings}
            _valid(data)
            if _key(name) in known:
                if not replace:
                    raise InvalidRequest("name", "preset_taken", value=name)
                self._rewrite(name, lambda _old: data)
            else:
                self._write(self._new_file(name), [data])
            return self.get(name)

    def add(self, presets: Iterable[Preset], file: str) -> tuple[int, tuple[Note, ...]]:
        """Many new ones at once, in files called after `file`: how many, and a note for each that cannot be.

        A name that is taken gets a number, so that nothing is lost and nothing overwritten.
        """
        with self._lock:
            known = {_key(one.name) for one in self.listing().presets} | self._taken
            items: list[Mapping[str, Any]] = []
            problems: list[Note] = []
            for preset in presets:
                try:
                    name = self._checked(_free(preset.name, known))
                    data = {"name": name, "name_zh": name, **preset.fields}
                    _valid(data)
                except InvalidRequest as error:
                    problems.append(Note("library_place", at=preset.name, problem=error.told))
                    continue
                known.add(_key(name))
                items.append(data)
            for first in range(0, len(items), _TOGETHER):
                self._write(self._new_file(file), items[first : first + _TOGETHER])
            return len(items), tuple(problems)

    def rename(self, name: str, new: str) -> Preset:
        """The file keeps its name, so its history stays with it."""
        with self._lock:
            new = self._checked(new)
            if _key(new) != _key(name):
                self._must_be_new(new)
            order = [new if _key(one.name) == _key(name) else one.name for one in self.listing().presets]
            same = self.get(name)
            chinese = new if same.name_zh == same.name else same.name_zh
            self._rewrite(name, lambda old: {**old, "name": new, "name_zh": chinese})
            if (self.folder / ORDER).is_file():
                self._write_order(order)
            return self.get(new)

    def duplicate(self, name: str, new: str = "") -> Preset:
        """A copy behind the original; without a name "… 2", "… 3" and so on."""
        with self._lock:
            original = self.get(name)
            copy = self._checked(new or self._free_name(original.name))
            self._must_be_new(copy)
            data = {**self._data(original), "name": copy, "name_zh": copy}
            names = [one.name for one in self.listing().presets]
            self._write(self._new_file(copy), [data])
            names.insert(names.index(original.name) + 1, copy)
            self._write_order(names)
            return self.get(copy)

    def delete(self, name: str) -> None:
        """It stays in the history."""
        with self._lock:
            self.get(name)
            self._rewrite(name, lambda _old: None)

    def move(self, name: str, place: int) -> None:
        """To this place of the list; 0 is the first."""
        with self._lock:
            moved = self.get(name).name
            names = [one.name for one in self.listing().presets if one.name != moved]
            names.insert(max(0, min(place, len(names))), moved)
            self._write_order(names)

    def history(self, name: str | None = None) -> tuple[Version, ...]:
        """Earlier versions of the file that holds this preset, or of every file, deleted ones too; latest first."""
        with self._lock:
            if name is None:
                return self._files.versions()
            self.get(name)
            return self._files.versions(self._places[_key(name)].name)

    def gone(self) -> tuple[str, ...]:
        """Files that were deleted and have a version still; the one deleted last first."""
        with self._lock:
            here = {file.name for _, file in self._names()}
            return tuple(dict.fromkeys(one.name for one in self._files.versions() if one.name not in here))

    def restore(self, version: Version) -> tuple[Preset, ...]:
        """Brings a version back; what is there now becomes a version itself. Raises LibraryError if it is damaged."""
        with self._lock:
            data, presets = _bytes(version.path), read(version.path)
            here = {_key(one) for one, file in self._names() if file.name != version.name}
            for preset in presets:
                if _key(preset.name) in here | self._taken:
                    raise InvalidRequest("name", "preset_taken", value=preset.name)
            self._files.replace(version.name, data)
            self._seen = None
            return tuple(self.get(preset.name) for preset in presets)

    # -- names ------------------------------------------------------------------------------------------------------

    def _checked(self, name: str) -> str:
        """The name as it is kept. Raises InvalidRequest."""
        name = unicodedata.normalize("NFC", " ".join(str(name).split()))
        if not name:
            raise InvalidRequest("name", "preset_nameless")
        if len(name) > NAME_LIMIT:
            raise InvalidRequest("name", "preset_name_long", high=NAME_LIMIT, value=len(name))
        if any(unicodedata.category(character) in ("Cc", "Cs", "Cn") for character in name):
            raise InvalidRequest("name", "preset_name_control")
        if _key(name) in self._taken:
            raise InvalidRequest("name", "preset_shipped", value=name)
        return name

    def _must_be_new(self, name: str) -> None:
        if _key(name) in {_key(one.name) for one in self.listing().presets}:
            raise InvalidRequest("name", "preset_taken", value=name)

    def _free_name(self, name: str) -> str:
        return _free(name, {_key(one.name) for one in self.listing().presets} | self._taken, first=2)

    def _new_file(self, name: str) -> str:
        """A file name that every file system takes and that no file has, now or in the history."""
        stem = slug(name, _FILE_LIMIT) or "preset"
        if is_reserved(stem):
            stem = f"_{stem}"
        used = {_key(file.name) for file in self._yaml_files()} | {_key(one.name) for one in self._files.versions()}
        names = (f"{stem}{_SUFFIX}", *(f"{stem}-{number}{_SUFFIX}" for number in range(2, 10_000)))
        return next(new for new in names if _key(new) not in used)

    def _names(self) -> list[tuple[str, Path]]:
        return [(one.name, self._places[_key(one.name)]) for one in self.listing().presets]

    # -- files ------------------------------------------------------------------------------------------------------

    def _yaml_files(self) -> list[Path]:
        try:
            return sorted(file for file in self.folder.glob(f"*{_SUFFIX}") if file.is_file())
        except OSError as error:
            raise StorageError(
                "folder_unreadable", folder=str(self.folder), problem=error.strerror or str(error)
            ) from error

    def _signature(self) -> _Signature:
        found = []
        for file in [*self._yaml_files(), self.folder / ORDER]:
            try:
                facts = file.stat()
            except OSError:  # gone meanwhile, or never there
                continue
            found.append((file.name, facts.st_mtime_ns, facts.st_size))
        return tuple(found)

    def _read(self) -> None:
        presets: dict[str, Preset] = {}
        problems: list[Note] = []
        self._places = {}
        for file in self._yaml_files():
            try:
                found = read(file)
            except LibraryError as error:
                problems.append(error.told)
                continue
            for preset in found:
                key = _key(preset.name)
                if key in presets or key in self._taken:
                    other = presets[key].source if key in presets else Note("library_shipped")
                    problems.append(Note("library_twice", at=preset.source, name=preset.name, other=other))
                    continue
                presets[key], self._places[key] = preset, file
        order = {_key(name): place for place, name in reversed(list(enumerate(self._order())))}
        in_order = sorted(presets.values(), key=lambda preset: order.get(_key(preset.name), len(order)))
        self._listing = Listing(presets=tuple(in_order), problems=tuple(problems))

    def _order(self) -> list[str]:
        try:
            names = json.loads((self.folder / ORDER).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return []  # an order that cannot be read is none; no preset is lost by it
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []

    def _data(self, preset: Preset) -> dict[str, Any]:
        """The mapping that its file holds."""
        found = yaml.safe_load(_bytes(self._places[_key(preset.name)]))
        return next(dict(one) for one in found if _key(str(one["name"]).strip()) == _key(preset.name))

    def _rewrite(self, name: str, change: Callable[[dict[str, Any]], Mapping[str, Any] | None]) -> None:
        """Changes one preset in the list that its file holds, or takes it out with None; an empty file goes."""
        file = self._places[_key(self.get(name).name)]
        items: list[Mapping[str, Any]] = []
        for one in yaml.safe_load(_bytes(file)):
            changed = change(one) if _key(str(one["name"]).strip()) == _key(name) else one
            if changed is not None:
                items.append(changed)
        if items:
            self._write(file.name, items)
        else:
            self._files.remove(file.name)
            self._seen = None

    def _write(self, name: str, items: list[Mapping[str, Any]]) -> None:
        for item in items:
            _valid(item)
        text = yaml.dump(
            [dict(item) for item in items], Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**6
        )
        self._files.replace(name, text.encode())
        self._seen = None

    def _write_order(self, names: list[str]) -> None:
        self._files.replace(ORDER, json.dumps(names, ensure_ascii=False, indent=1).encode(), keep=False)
        self._seen = None


def _key(name: str) -> str:
    """Equal for names that some file system or some reader takes for the same."""
    return unicodedata.normalize("NFKC", name).casefold()


def _free(name: str, known: Collection[str], first: int = 1) -> str:
    """The name, or with a number behind it the first that is not known; `first` 2: with a number in any case."""
    stem = name[: NAME_LIMIT - 6].rstrip()
    names = (name if number == 1 else f"{stem} {number}" for number in range(first, 100_000))
    return next(new for new in names if _key(new) not in known)


def _valid(data: Mapping[str, Any]) -> None:
    """A preset that a file may hold. Raises InvalidRequest."""
    try:
        make(dict(data), "")
    except LibraryError as error:
        if isinstance(error.__cause__, InvalidRequest):
            raise error.__cause__ from None
        raise InvalidRequest("preset", "preset_unfit", problem=error.told) from error


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise StorageError("file_unreadable", name=file.name, problem=error.strerror or str(error)) from error
