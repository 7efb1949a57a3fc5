"""Pictures on disk, and back: names, metadata, grids, the store and its index."""

VERSION = "0.1.0"  # of the program, as in pyproject.toml; written into every picture
