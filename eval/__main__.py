"""`python -m eval`, which `otto eval` starts."""

from __future__ import annotations

import sys

from otto.cli import run_app


def main() -> int:
    from eval.cli import app

    return run_app(app, "otto eval")


if __name__ == "__main__":
    sys.exit(main())
