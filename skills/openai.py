"""Questions for a large language model."""

from __future__ import annotations

from collections.abc import Iterator

from otto import Context, chat, skill

ANSWER = "You answer aloud. Use a few plain sentences, no lists, no markup, no emoji."


@skill(open_world=True, deadline=60)
def openai(prompt: str, context: Context) -> Iterator[str]:
    """Ask a large language model a question or give it a writing task, and read out its answer.

    Args:
        prompt: the question or task in the user's own words
    """
    return chat.stream(context.settings, context.settings.get("system", ANSWER), prompt, context.cancelled)
