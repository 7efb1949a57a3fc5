"""Runs the converting child's own code on many files: torch is imported once, each file has a process of its own."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path


def main(child: str, jobs: str) -> None:
    sys.path.insert(0, str(Path(child).parent))
    warnings.simplefilter("ignore")
    import conversion_child
    import torch

    torch.set_num_threads(1)
    for source, target in json.loads(Path(jobs).read_text(encoding="utf-8")):
        sys.stdout.flush()
        process = os.fork()
        if process:
            _, status = os.waitpid(process, 0)
            print(json.dumps({"source": source, "status": os.waitstatus_to_exitcode(status)}))
            continue
        plan = {"memory": 2**31, "file": 2**26, "seconds": 20, "path": []}
        code = 1
        try:
            code = conversion_child.main([source, target, json.dumps(plan)])
        finally:
            os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
