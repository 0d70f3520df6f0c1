"""Stories."""

from __future__ import annotations

from collections.abc import Iterator

from otto import Context, chat, skill

TELLER = "You tell short stories aloud, of about two hundred words. Plain sentences, no headings, no markup, no emoji."


@skill(open_world=True, deadline=60)
def story(context: Context, description: str = "") -> Iterator[str]:
    """Make up a story and tell it.

    Args:
        description: what the story is about
    """
    wish = f"Tell me a story about {description}." if description else "Tell me a story."
    return chat.stream(context.settings, context.settings.get("system", TELLER), wish, context.cancelled)
