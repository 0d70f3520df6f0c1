"""What all command groups have in common."""

from __future__ import annotations

from typing import Any

import typer


def new_app(**options: Any) -> typer.Typer:
    """A typer app as Otto has them.

    Errors come out as they are, and become sentences in `otto.cli.main`. Help is plain: with rich it costs twice the time.
    """
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        **options,
    )
