"""Web search in the user's own browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from urllib.parse import quote_plus

from otto import Context, OttoError, skill

ENGINES = {
    "duckduckgo": "https://duckduckgo.com/?q={query}",
    "google": "https://www.google.com/search?q={query}",
    "bing": "https://www.bing.com/search?q={query}",
    "wikipedia": "https://en.wikipedia.org/w/index.php?search={query}",
    "startpage": "https://www.startpage.com/sp/search?query={query}",
}


@skill(open_world=True)
def search(query: str, context: Context) -> str:
    """Search the web in the browser.

    Args:
        query: what to search for
    """
    url = _template(str(context.settings.get("engine", "duckduckgo"))).replace("{query}", quote_plus(query))
    if not (_has_screen() and _open(url)):
        raise OttoError("No web browser can be opened here", f"open this address on another screen: {url}")
    return f"Searching the web for {query}."


def _template(engine: str) -> str:
    """The address of an engine, by its name or as the settings write it out."""
    template = ENGINES.get(engine.lower(), engine)
    if not template.startswith(("https://", "http://")) or "{query}" not in template:
        known = ", ".join(ENGINES)
        raise OttoError(f"{engine} is not a search engine", f"set skills.search.engine to one of {known}, or to an address with {{query}} in it")
    return template


def _has_screen() -> bool:
    """Without a screen Python would start a text browser, which takes over the terminal."""
    return sys.platform in ("win32", "darwin") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _open(url: str) -> bool:
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
