"""What every part of the page needs: the service, the pictures on disk, and how a browser asks for one."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from PIL.Image import Image

from pipelines import images
from pipelines.errors import InvalidRequest
from pipelines.kinds import shown
from pipelines.models.memory import GB
from pipelines.types import EngineState, ModelInfo
from webui.archive import pictures
from webui.archive.entries import picture_at
from webui.archive.inputs import InputStore
from webui.archive.store import SavedImage, place_below
from webui.jobs.durations import Durations
from webui.jobs.service import GenerationService
from webui.jobs.status import AtDevice
from webui.kept.reading import ReadingSettings
from webui.library.collection import Library
from webui.library.presets import Preset
from webui.words import Language, model_title, say, translate

RECENT = 24  # pictures in a strip


def jpeg_address(image: Image) -> str:
    """A picture in its own address."""
    return f"data:image/jpeg;base64,{base64.b64encode(images.jpeg(image)).decode('ascii')}"


def image_url(identity: str) -> str:
    """Where a browser finds the picture with this opaque id."""
    return f"/image/{identity}"


def thumb_url(identity: str) -> str:
    """... and its small picture."""
    return f"/thumb/{identity}"


def input_url(sha256: str) -> str:
    """... and a picture that img2img begins with."""
    return f"/input/{sha256}"


def uploaded_file(path: object) -> Path | None:
    """The file a browser says it uploaded, or None: a path from outside counts only inside the upload folder."""
    root = os.environ.get("GRADIO_TEMP_DIR")
    if not isinstance(path, str) or not root:
        return None
    try:
        file = Path(path).resolve()
        return file if Path(root).resolve() in file.parents and file.is_file() else None
    except (OSError, ValueError):
        return None  # no name that this system knows


@dataclass(frozen=True, kw_only=True)
class House:
    """Handed down to every tab. `outputs`: the archive's root, absolute. `own`: names in `presets`, not shipped."""

    service: GenerationService
    inputs: InputStore
    outputs: Path
    library: Library
    reading: ReadingSettings
    presets: tuple[Preset, ...] = ()
    own: frozenset[str] = frozenset()

    @cached_property
    def durations(self) -> Durations:
        return Durations(self.service.recent)

    def all_presets(self) -> tuple[Preset, ...]:
        """The shipped ones, and a person's own as they are now."""
        shipped = tuple(preset for preset in self.presets if preset.name not in self.own)
        return shipped + self.library.saved.listing().presets

    def model(self, name: object) -> ModelInfo | None:
        return next((model for model in self.service.models() if model.name == name), None)

    def item(self, saved: SavedImage, language: Language) -> dict[str, Any]:
        """One picture for `Pictures`."""
        label = str(saved.seed) if saved.kind == "image" else translate("grid", language)
        text = f"{label} · {saved.width} × {saved.height} · {saved.prompt}"
        return {
            "id": str(place_below(self.outputs, saved.path)),
            "picture": saved.id,
            "url": image_url(saved.id),
            "thumb": thumb_url(saved.id),
            "label": label,
            "text": text,
        }

    def items(self, saved: Iterable[SavedImage], language: Language) -> list[dict[str, Any]]:
        return [self.item(one, language) for one in saved if place_below(self.outputs, one.path) is not None]

    def recent(self, language: Language) -> dict[str, Any]:
        images = [one for one in self.service.recent(RECENT) if one.kind == "image"]
        return {"items": self.items(images, language), "selected": -1}

    def chosen(self, value: Any) -> Path | None:
        """The file of the picture selected in a `Pictures` or shown on a `Canvas`. A browser names it: it counts only
        inside `outputs`."""
        return self.output_file(self.chose(value))

    def chose(self, value: Any) -> object:
        """What the browser names as selected, or None."""
        told = value if isinstance(value, dict) else {}
        if "place" in told:
            return told["place"] or None
        items, place = told.get("items"), told.get("selected", -1)
        if not isinstance(items, list) or not isinstance(place, int) or not 0 <= place < len(items):
            return None
        return items[place].get("id") if isinstance(items[place], dict) else None

    def output_file(self, identity: object) -> Path | None:
        """The image file with this id below `outputs`, or None."""
        if not isinstance(identity, str) or "\0" in identity or "\\" in identity:
            return None
        return picture_at(self.outputs, PurePosixPath(identity))

    def readable(self, path: object, field: str = "init_image") -> Path:
        """A picture the browser names: one it uploaded, or one of ours. Raises InvalidRequest."""
        if path is None or path == "":
            raise InvalidRequest(field, "picture_needed")
        if (file := uploaded_file(path) or self._saved_file(path)) is None:
            raise InvalidRequest(field, "picture_from_elsewhere", value=shown(path))
        return file

    def _saved_file(self, path: object) -> Path | None:
        """The picture of ours that this path is, or None."""
        try:
            place = place_below(self.outputs, Path(path)) if isinstance(path, str) else None
        except (OSError, ValueError):
            return None  # no name that this system knows
        return None if place is None else picture_at(self.outputs, place)

    def source(self, painted: Any) -> tuple[Image, Image]:
        """Picture and mask of the painter. Raises InvalidRequest, UnreadableImage, StorageError."""
        value = painted if isinstance(painted, dict) else {}
        if not value.get("source"):
            raise InvalidRequest("init_image", "picture_needed")
        image = self.inputs.get(value["source"])
        drawn = value.get("mask")
        if drawn is None:
            raise InvalidRequest("mask", "mask_empty")
        file = uploaded_file(drawn)
        if file is None:
            raise InvalidRequest("mask", "mask_from_elsewhere")
        return image, pictures.read_mask(file)


def device_line(one: AtDevice, language: Language) -> dict[str, str]:
    """One device of several: how it is, its memory, the model that it holds, and its job."""
    state = one.state
    memory = ""
    if state.memory_bytes and state.memory_free_bytes is not None:
        free, whole = (f"{size / GB:.1f}" for size in (state.memory_free_bytes, state.memory_bytes))
        memory = translate("device_memory", language, free=free, whole=whole)
    model = model_title(state.model, language)
    work = one.about or translate("device_works" if one.job or state.busy else "device_free", language)
    told = {"warming": translate("device_warming", language), "failed": engine_line(state, language)["text"]}
    facts = (told.get(state.state, ""), state.device.replace("none", ""), memory, model)
    return {"name": one.name, "state": state.state, "text": " · ".join(filter(None, facts)), "work": work}


def engine_line(engine: EngineState, language: Language) -> dict[str, str]:
    """The engine's state as the header shows it."""
    facts = [one for one in (engine.device, engine.dtype) if one and one != "none"]
    text = translate(f"engine_{engine.state}", language)
    if engine.state == "failed" and engine.message is not None:
        facts = [say(engine.message, language)]
    if engine.state != "warming":
        text = " · ".join([text, *facts])
    return {"state": engine.state, "text": text}
