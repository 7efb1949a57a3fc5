"""Seedprint: `python app.py` sets everything up on its first start and opens the page; `--help` shows the rest."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    import bootstrap

    bootstrap.refuse_old_python()
    arguments = [argument for argument in sys.argv[1:] if argument != bootstrap.FLAG]
    if len(arguments) == len(sys.argv) - 1:
        bootstrap.ensure(HERE / "requirements.txt", [str(HERE / "app.py"), *arguments])

    from webui.commands import main as cli

    return cli.main(arguments)


if __name__ == "__main__":  # the worker process imports this file too
    sys.exit(main())
