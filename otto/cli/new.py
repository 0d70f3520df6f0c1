"""What all command groups have in common."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
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


def room_app(commands: ModuleType, help: str, order: Sequence[str]) -> typer.Typer:
    """The app of a room, with every command of its package of commands: one file each, which has `register(app)`.

    In the help, those in `order` come first.
    """
    from importlib import import_module
    from pkgutil import iter_modules

    app = new_app(help=help, no_args_is_help=True)

    @app.callback(help=help)
    def group() -> None: ...

    names = {module.name for module in iter_modules(commands.__path__)}
    for name in sorted(names, key=lambda name: (name not in order, order.index(name) if name in order else 0, name)):
        import_module(f"{commands.__name__}.{name}").register(app)
    return app
