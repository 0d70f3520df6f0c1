"""`python -m finetune`, which `otto finetune` starts."""

from __future__ import annotations

import sys

from otto.cli import run_app


def main() -> int:
    from finetune.cli import app

    return run_app(app, "otto finetune")


if __name__ == "__main__":
    sys.exit(main())
