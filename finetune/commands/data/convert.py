"""`otto finetune data convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert(
    file: Annotated[Path, typer.Argument(metavar="IN", help="A .csv, .tsv, .json or .jsonl file.", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT.jsonl", help="Where the rows go.", show_default=False)],
    encoding: Annotated[str, typer.Option(metavar="NAME", help="Its encoding, where the guess is wrong.", show_default=False)] = "",
    straight_quotes: Annotated[bool, typer.Option("--straight-quotes", help="Write curled quotes in texts as straight ones.")] = False,
) -> None:
    """Turn chats or prompts and completions of other tools into JSON lines.

    Texts stay as they are. A cell that cannot be read is reported and kept in OUT.jsonl.rejected.jsonl; exit code 1 where there is one.
    """
    from finetune.data.convert import convert as work
    from finetune.data.convert import write
    from finetune.data.display import show_left_out
    from finetune.data.sources import open_source
    from otto.cli.output import note
    from otto.errors import EXIT_DONE, EXIT_FAILED, UsageError

    if out.resolve() == file.resolve():
        raise UsageError(f"{out} is the file itself, and what cannot be read of it would be lost", "name another file for the rows")
    source = open_source(file, encoding)
    found = work(source, straight_quotes=straight_quotes)
    side = write(found, out)
    if source.guessed:
        note(f"Read as {source.encoding}, which is a guess: where letters look wrong, name the encoding with --encoding")
    note(f"{len(found.rows):,} rows written to {out}, and read back as they were.")
    for how, number in found.mended.most_common():
        note(f"mended, {how}: {number:,}")
    show_left_out([("cannot be read", str(item)) for item in found.rejected])
    if side:
        note(f"What was left out is kept in {side}", "bad")
    raise typer.Exit(EXIT_DONE if found.rows and not side else EXIT_FAILED)
