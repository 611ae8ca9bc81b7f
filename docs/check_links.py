"""Whether every link of the built pages leads somewhere within them, and none loads anything from elsewhere.

python docs/check_links.py docs/_build/html
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
"""Elements that fetch what they name, so that it has to be one of the pages' own files."""


class Page(HTMLParser):
    """Anchors and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[tuple[str, bool]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        name = LOADS.get(tag, "href" if tag == "a" else "")
        if name and (link := given.get(name)):
            self.links.append((link, tag in LOADS))


def faults(root: Path) -> list[str]:
    """What is wrong, one line each."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(root.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        for link, loads in page.links:
            parts = urlsplit(link)
            where = f"{path.relative_to(root)}: {link}"
            if parts.scheme or parts.netloc:
                if loads and parts.scheme != "data":
                    found.append(f"{where}: is loaded from elsewhere")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                found.append(f"{where}: there is no such file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{where}: there is no such place in it")
    found += [
        f"{path.relative_to(root)}: loads something from elsewhere"
        for path in root.rglob("*.css")
        if "url(http" in (text := path.read_text(encoding="utf-8")) or "@import" in text
    ]
    return found


if __name__ == "__main__":
    wrong = faults(Path(sys.argv[1]).resolve())
    print("\n".join(wrong) if wrong else f"{sys.argv[1]}/index.html: every link leads somewhere")
    sys.exit(1 if wrong else 0)
