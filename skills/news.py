"""Headlines from RSS and Atom feeds."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from otto import Context, NetworkError, OttoError, skill

FEEDS = ("https://feeds.bbci.co.uk/news/rss.xml",)
SEARCH_URL = "https://news.google.com/rss/search?q={topic}&hl=en"  # asked where no headline of the feeds has the topic
HEADLINES = 5  # in one answer
MAX_BYTES = 5_000_000  # of one feed


@dataclass(frozen=True)
class Headline:
    title: str
    text: str  # title and summary, lower case, to find a topic in


@skill(read_only=True, open_world=True, deadline=20)
def news(context: Context, topic: str = "") -> str:
    """Read the latest news headlines, of everything or of one topic.

    Args:
        topic: what the news shall be about
    """
    feeds = context.settings.get("feeds", FEEDS)
    found = _read(context, [feeds] if isinstance(feeds, str) else feeds)
    if not topic:
        return _told("The headlines", found)
    about = [headline for headline in found if _has(headline, topic)]
    search = context.settings.get("search_url", SEARCH_URL)
    if not about and search:
        about = _read(context, [search.replace("{topic}", quote_plus(topic))])
    if not about:
        raise OttoError(f"There are no headlines about {topic}", "ask for another topic, or for the news alone")
    return _told(f"The headlines about {topic}", about)


def _told(lead: str, headlines: Sequence[Headline]) -> str:
    if not headlines:
        raise NetworkError("The news feeds hold no headlines", "try again later, or name others in skills.news.feeds")
    titles = list(dict.fromkeys(headline.title for headline in headlines))[:HEADLINES]
    return f"{lead}: {' '.join(title if title.endswith(('.', '!', '?')) else f'{title}.' for title in titles)}"


def _has(headline: Headline, topic: str) -> bool:
    """True where every word of the topic begins a word of the headline or its summary."""
    return all(re.search(rf"\b{re.escape(word)}", headline.text) for word in topic.casefold().split())


def _read(context: Context, feeds: Sequence[str]) -> list[Headline]:
    """The headlines of all feeds in turn. Raises NetworkError where not one of them can be read."""
    client = context.http
    with ThreadPoolExecutor(max_workers=4) as pool:
        results = list(pool.map(lambda url: _read_one(client, url), feeds))
    errors = [result for result in results if isinstance(result, NetworkError)]
    if errors and len(errors) == len(results):
        raise errors[0]
    lists = [result for result in results if not isinstance(result, NetworkError)]
    longest = max(map(len, lists), default=0)
    return [headlines[place] for place in range(longest) for headlines in lists if place < len(headlines)]


def _read_one(client: Any, url: str) -> list[Headline] | NetworkError:
    import io

    import feedparser
    import httpx

    host = re.sub(r"^\w+://|/.*$", "", url)
    try:
        with client.stream("GET", url) as response:
            response.raise_for_status()
            body = _body(response)
    except httpx.TimeoutException:
        return NetworkError(f"The news from {host} took too long", "try again later")
    except httpx.HTTPStatusError as error:
        return NetworkError(f"The news from {host} failed with status {error.response.status_code}", "try again later")
    except (httpx.HTTPError, httpx.InvalidURL):
        return NetworkError(f"The news from {host} is out of reach", "check the network, and the addresses in skills.news.feeds")
    feed = feedparser.parse(io.BytesIO(body))  # a stream: given text, it would open files and addresses of that name
    if not feed.get("version"):
        return NetworkError(f"{host} did not answer with a news feed", "check the addresses in skills.news.feeds")
    return [headline for headline in map(_headline, feed.entries) if headline.title]


def _body(response: Any) -> bytes:
    body = b""
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MAX_BYTES:
            break  # feedparser reads what is there
    return body


def _headline(entry: Any) -> Headline:
    title, summary = (_plain(entry.get(key, "")) for key in ("title", "summary"))
    return Headline(title, f"{title} {summary}".casefold())


def _plain(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())
