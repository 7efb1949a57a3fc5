"""What lies in the models folders, as every engine tells of it. No torch; safe to use from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from pipelines.details import BY_HAND, Detail
from pipelines.errors import InvalidRequest, ModelError, Note
from pipelines.kinds import several, shown
from pipelines.models import extras, referred
from pipelines.models.files import anatomy, detection
from pipelines.models.files.hashes import Hashes, be_quiet
from pipelines.models.listing import Listing
from pipelines.models.reading import PromptReader
from pipelines.tokens import PromptReading
from pipelines.types import DIALECTS, GenerationRequest, ModelInfo, ModelPart
from pipelines.upscaling.plain import OF_LATENTS, PLAIN


class Catalogue:
    """The part of `Engine` that needs no loaded model."""

    def __init__(self, folders: Sequence[Path] = (), hashes_file: Path | None = None) -> None:
        self._listing, self._hashes = Listing(folders), Hashes(hashes_file)
        self._listing_lock = threading.Lock()
        self._reader = PromptReader(self._listing, self._listing_lock)

    def _share(self, other: Catalogue) -> None:
        """What another one knows, instead of looking once more."""
        self._listing, self._hashes = other._listing, other._hashes
        self._listing_lock, self._reader = other._listing_lock, other._reader

    def devices(self) -> tuple[Self, ...]:
        return (self,)

    def models(self) -> tuple[ModelInfo, ...]:
        with self._listing_lock:
            return self._listing.usable()

    def adapters(self) -> tuple[ModelInfo, ...]:
        with self._listing_lock:
            return extras.usable(self._listing)

    def shelf(self) -> tuple[ModelInfo, ...]:
        with self._listing_lock:
            return self._listing.shelf(self._hashes)

    def read_again(self, info: ModelInfo, wanted: Callable[[], bool]) -> None:
        self._hashes.read_again(Path(info.path), wanted)

    def read_oldest(self, before: float, wanted: Callable[[], bool]) -> bool:
        be_quiet()
        path = self._hashes.oldest(before)
        if path is not None:
            self._hashes.read_again(path, wanted)
        return path is not None

    def parts(self, info: ModelInfo) -> tuple[ModelPart, ...]:
        return anatomy.parts_of(info)

    def image_encoders(self) -> tuple[ModelInfo, ...]:
        with self._listing_lock:
            return self._listing.image_encoders()

    def detectors(self) -> tuple[ModelInfo, ...]:
        with self._listing_lock:
            return self._listing.detectors()

    def segmenters(self) -> tuple[ModelInfo, ...]:
        with self._listing_lock:
            return self._listing.segmenters()

    def upscalers(self) -> tuple[ModelInfo, ...]:
        with self._listing_lock:
            found = self._listing.upscalers()
        return tuple(info for info in found if info.name not in (*PLAIN, *OF_LATENTS))

    def controls(self) -> tuple[ModelInfo, ...]:
        with self._listing_lock:
            return self._listing.controls()

    def references(self) -> tuple[ModelInfo, ...]:
        with self._listing_lock:
            return self._listing.references()

    def named(self, request: GenerationRequest) -> GenerationRequest:
        with self._listing_lock:
            return referred.named(self._listing, request)

    def check(self, request: GenerationRequest) -> None:
        if request.upscale is not None:
            self._upscaler("upscaler", request.upscale.upscaler)
            return
        with self._listing_lock:
            extras.check(self._listing, request)
        if request.hires is not None:
            self._upscaler("hires_upscaler", request.hires.upscaler)
        if request.detail is not None:
            self._detector(request.detail)

    def read_prompt(
        self, model: str, text: str, *, negative: bool = False, dialect: str = DIALECTS[0]
    ) -> PromptReading:
        return self._reader.read(model, text, negative=negative, dialect=dialect)

    def _upscaler(self, field: str, name: str) -> ModelInfo | None:
        """`field`: that names it. None: it needs no file. Raises `InvalidRequest`."""
        plain = (*OF_LATENTS, *PLAIN) if field == "hires_upscaler" else PLAIN
        if name in plain:
            return None
        known = {info.name: info for info in self.upscalers()}
        if name not in known:
            raise InvalidRequest(field, "choice", choices=several((*plain, *known)), value=shown(name))
        return known[name]

    def _detector(self, detail: Detail) -> ModelInfo | None:
        """None: the boxes are known. Raises `InvalidRequest`."""
        if detail.written.strip():
            return None
        if detail.detector == BY_HAND:
            raise InvalidRequest("detail_boxes", "boxes_unsaid")
        known = self.detectors()
        info = next((one for one in known if one.name == detail.detector), None)
        if info is None:
            names = several([one.name for one in known]) or (Note("nothing"),)
            raise InvalidRequest("detail_detector", "detector_missing", choices=names, value=shown(detail.detector))
        labels, words = detection.labels_of(Path(info.path).parent), detection.wanted(detail.words)
        if labels is None and not words:
            raise InvalidRequest("detail_words", "detector_wordless", name=info.name)
        known_words = words if labels is None else tuple(map(str.casefold, labels))
        if strange := [word for word in words if word not in known_words]:
            names = several(labels or ())
            raise InvalidRequest("detail_words", "detector_words", choices=names, name=info.name, value=strange[0])
        return info

    def _segmenter(self) -> ModelInfo:
        """The first by name. Raises `ModelError`."""
        found = self.segmenters()
        if not found:
            raise ModelError("segmenter_missing")
        return found[0]

    def _image_encoder(self, name: str) -> ModelInfo:
        """Raises `ModelError`."""
        found = next((info for info in self.image_encoders() if info.name == name), None)
        if found is None:
            raise ModelError("image_encoder_missing", name=name)
        return found
