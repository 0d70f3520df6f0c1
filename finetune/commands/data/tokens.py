"""`otto finetune data tokens`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finetune.commands.data.options import TokenizerFolder


def tokens(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rows as JSON lines.", show_default=False)],
    tokenizer: TokenizerFolder = None,
    epochs: Annotated[float, typer.Option(min=0, help="How often training reads the file.")] = 3.0,
    price: Annotated[float, typer.Option(min=0, metavar="DOLLARS", help="What a hosted service takes for a million tokens.")] = 3.0,
    parameters: Annotated[float, typer.Option(min=0, metavar="BILLIONS", help="Size of the model that is trained here.")] = 7.0,
    tflops: Annotated[float, typer.Option(min=0.001, help="What the device sustains; about 40 on a 24 GB GPU, 0.1 on a CPU.")] = 40.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count tokens: of a message, of a conversation, and the assistant's share."""
    from dataclasses import asdict

    from finetune.data.display import distribution, histogram, show
    from finetune.data.tokenizer import ESTIMATE, open_tokenizer
    from finetune.data.tokens import count, duration, effort
    from otto.cli.output import emit, note, out

    counter = open_tokenizer(tokenizer)
    found = count(file, counter)
    cost = effort(sum(found.conversations), epochs=epochs, price=price, parameters=parameters, tflops=tflops)
    if as_json:
        emit({**found.report(), "effort_estimate": asdict(cost)})
    else:
        messages = {f"a message, {role}": counts for role, counts in found.messages.items()}
        whole = {**messages, "a conversation": found.conversations, "of it the assistant's": found.assistant}
        show(distribution(whole, found.estimate), stderr=False)
        out(f"The assistant's share is {found.share:.1%}.\n\nTokens of a conversation", "")
        for line in histogram(found.conversations):
            out(f"  {line}")
        out(f"\nEstimates, for {epochs:g} epochs, {cost.tokens:,} tokens:")
        out(f"  hosted  {cost.dollars:,.2f} dollars, at {price:g} a million tokens")
        out(f"  local   {duration(cost.seconds)} for LoRA on {parameters:g} billion parameters, at {tflops:g} TFLOPS sustained")
    if counter.estimate:
        note(ESTIMATE)
