"""The models at hand, as the page shows them: what lies there, what was settled for each, when it was last used."""

from __future__ import annotations

from pipelines.engine import Engine
from pipelines.types import GenerationRequest, ModelInfo, ModelPart
from webui.jobs.table import JobTable
from webui.kept.models import ModelSettings

LATELY = 200  # runs


class Shelf:
    def __init__(self, engine: Engine, jobs: JobTable, settings: ModelSettings) -> None:
        self._engine, self._jobs, self.settings = engine, jobs, settings

    def everything(self) -> tuple[ModelInfo, ...]:
        """See `Engine.shelf`."""
        return self._engine.shelf()

    def parts(self, info: ModelInfo) -> tuple[ModelPart, ...]:
        """Raises ModelError."""
        return self._engine.parts(info)

    def uses(self) -> dict[str, float]:
        """Model's name -> when it last made a picture here, seconds since 1970."""
        return self._jobs.model_uses()

    def asked(self) -> list[tuple[float, str, str]]:
        """See `JobTable.asked`: of so many as tell what a person uses of late."""
        return self._jobs.asked(LATELY)

    def settled(self, request: GenerationRequest) -> GenerationRequest:
        """With what is settled of its model's nature and the request does not say itself."""
        model = next((model for model in self._engine.models() if model.name == request.model), None)
        return request if model is None else self.settings.completed(request, model)
