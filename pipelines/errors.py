"""Every failure a person may be shown, on one page.

    SeedprintError
    ├── InvalidRequest      a field breaks a rule; `.field` names it; raised before anything is queued
    ├── UnreadableImage     a file that should be a picture is not one we read
    ├── ModelError          a model is missing, unreadable, of another family, or cannot do what was asked
    ├── OutOfMemory         the device has too little memory for this request
    ├── NotFinite           the model gave NaN or infinity; nothing was saved
    ├── EngineLost          the worker process died; `.restarted` says whether a new one is up
    ├── StorageError        the output folder is full, read-only or gone
    └── Stopped             the run was ended on purpose
        ├── Cancelled       ... the whole run
        └── Skipped         ... this batch; the run goes on with the next

A bug is none of these: it keeps its own type and traceback.
"""

from __future__ import annotations


class SeedprintError(Exception):
    """Base of every failure with one sentence for a person."""


class InvalidRequest(SeedprintError):
    """A field breaks a rule. The message names field, rule and value: `width: must be a multiple of 8, got 513`."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


class UnreadableImage(SeedprintError):
    """A file that should be a picture is not one we read."""


class ModelError(SeedprintError):
    """A model is missing, unreadable, of another family, or cannot do what was asked."""


class OutOfMemory(SeedprintError):
    """The device has too little memory for this request."""


class NotFinite(SeedprintError):
    """The model gave NaN or infinity; nothing was saved."""


class EngineLost(SeedprintError):
    """The worker process died."""


class StorageError(SeedprintError):
    """The output folder is full, read-only or gone."""


class Stopped(SeedprintError):
    """The run was ended on purpose."""


class Cancelled(Stopped):
    """The whole run was ended on purpose."""


class Skipped(Stopped):
    """This batch was ended on purpose; the run goes on with the next."""
