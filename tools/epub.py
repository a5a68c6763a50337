"""Bind the built book as an EPUB 3: `make epub`, or `python tools/epub.py FILE`.

One document per page, in the order of the table of contents. Equations are MathML and figures are
SVG there as here. Answers are unfolded, and the code of folded cells is left out.
"""

import html
import posixpath
import re
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from bs4 import BeautifulSoup
from pdf import SITE, pages

from lstm_course.figures import COLORS

NEEDLESS = ".headerlink, details.hide, .toctree-wrapper, [data-lc], .lc-narrow, script"
STYLE = """
table { border-collapse: collapse; font-size: 0.9em }
td, th { padding: 0.2em 0.6em; border-bottom: 1px solid #999 }
pre { white-space: pre-wrap; font-size: 0.8em }
svg { display: block; max-width: 100%; height: auto; margin: 1em auto }
""" + "".join(f".lc-{name} {{ color: {color} }}\n" for name, color in COLORS.items())
CONTAINER = (
    '<?xml version="1.0"?><container version="1.0" '
    'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile '
    'full-path="content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
DOCUMENT = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n<html '
    'xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="en">'
    '<head><title>{title}</title><link rel="stylesheet" href="style.css"/></head>'
    "<body>{body}</body></html>"
)


def document(name: str, number: dict[str, int]) -> tuple[str, str]:
    """Return a page's title, and the page as XHTML; `number` says which pages are in the book."""
    page = (SITE / f"{name}.html").read_text(encoding="utf-8")
    body = page[page.index('<article class="bd-article">') : page.index("</article>") + 10]
    body = re.sub(r"var\(--lc-\w+, (#\w+)\)", r"\1", body)  # a reader may know no variables
    body = re.sub(r"; position: sticky[^\"]*", "", body)  # of a table's first column
    soup = BeautifulSoup(body, "html5lib")
    for one in soup.select(NEEDLESS):
        one.decompose()
    for link in soup.find_all("a", href=True):
        path, _, anchor = link["href"].partition("#")
        if path and ":" not in path:
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
            place = number.get(target)
            link["href"] = (
                f"https://lstm-course.github.io/lstm-course/{target}"
                if place is None
                else f"p{place}.xhtml" + (f"#{anchor}" if anchor else "")
            )
    for one in soup.find_all("math"):
        one["xmlns"] = "http://www.w3.org/1998/Math/MathML"
    for one in soup.select("math [displaystyle], math [scriptlevel]"):  # of MathML Core, not of 3
        del one["scriptlevel"]
        if one.name not in ("mstyle", "mtable"):
            one.wrap(soup.new_tag("mstyle", displaystyle=one.attrs.pop("displaystyle", "true")))
    for one in soup.find_all("details"):
        one["open"] = "open"
    for one in soup.find_all(True):  # of HTML, not of its XML form
        for attribute in ("tabindex", "align", "border", "role"):
            del one[attribute]
    title = soup.h1.get_text() if soup.h1 else name
    text = soup.article.decode(formatter="minimal").replace("<article", "<section", 1)
    text = text[: text.rindex("</article>")] + "</section>"
    return title, DOCUMENT.format(title=html.escape(title), body=text)


def main(path: Path, names: list[str]) -> None:
    """Write pages into a file."""
    number = {f"{name}.html": k for k, name in enumerate(names)}
    items, spine, nav = [], [], []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        book.writestr("META-INF/container.xml", CONTAINER)
        book.writestr("style.css", STYLE)
        for k, name in enumerate(names):
            title, text = document(name, number)
            book.writestr(f"p{k}.xhtml", text)
            has = " ".join(
                kind for tag, kind in (("<math", "mathml"), ("<svg", "svg")) if tag in text
            )
            properties = f' properties="{has}"' if has else ""
            kind = 'media-type="application/xhtml+xml"'
            items.append(f'<item id="p{k}" href="p{k}.xhtml" {kind}{properties}/>')
            spine.append(f'<itemref idref="p{k}"/>')
            nav.append(f'<li><a href="p{k}.xhtml">{html.escape(title)}</a></li>')
        contents = f'<nav epub:type="toc"><h1>Contents</h1><ol>{"".join(nav)}</ol></nav>'
        book.writestr("nav.xhtml", DOCUMENT.format(title="Contents", body=contents))
        book.writestr(
            "content.opf",
            '<?xml version="1.0" encoding="utf-8"?><package version="3.0" unique-identifier="id" '
            'xmlns="http://www.idpf.org/2007/opf"><metadata '
            'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">'
            "https://lstm-course.github.io/lstm-course</dc:identifier><dc:title>LSTM, Gate by Gate"
            "</dc:title><dc:language>en</dc:language>"
            f'<meta property="dcterms:modified">{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}</meta>'
            "</metadata><manifest>"
            '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
            f'<item id="style" href="style.css" media-type="text/css"/>{"".join(items)}</manifest>'
            f"<spine>{''.join(spine)}</spine></package>",
        )
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SITE / "lstm-gate-by-gate.epub", pages())
