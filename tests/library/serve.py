"""The page of the browser tests with a library folder of its own: `python -m tests.library.serve FOLDER SECONDS`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.browser.serve import main
from webui import parts
from webui.library.collection import open_library

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    parts.open_library = lambda shipped: open_library(shipped, folder / "user")
    main(folder, float(sys.argv[2]))
