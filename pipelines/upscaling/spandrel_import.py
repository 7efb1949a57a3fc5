"""spandrel without torchvision, which two of its 42 architectures alone use, for `rotate` and `normalize`.

torchvision would have to be of the very build of torch that is installed, and weighs more than all else spandrel needs.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

NAMES = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")


@functools.cache
def spandrel() -> Any:
    """The module `spandrel`. Where torchvision is missing, empty modules stand in while it is imported and are gone
    afterwards, so that transformers still sees that there is none."""
    if importlib.util.find_spec("torchvision") is not None:
        return importlib.import_module("spandrel")
    stand_ins = {name: ModuleType(name) for name in NAMES}
    functional: Any = stand_ins[NAMES[-1]]
    functional.InterpolationMode = functional.rotate = functional.normalize = None
    sys.modules.update(stand_ins)
    try:
        return importlib.import_module("spandrel")
    finally:
        for name in NAMES:
            del sys.modules[name]
