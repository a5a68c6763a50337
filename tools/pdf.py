"""Print the whole built book into one PDF: `make pdf`, or `python tools/pdf.py FILE`.

All pages become one, in the order of the table of contents, whose links lead to one another;
Chromium prints it, with an outline. Answers are unfolded, and the code of folded cells is left out.
"""

import posixpath
import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build/html"
LEFT_OUT = ("book/api", "book/explorer", "book/viewer")  # to look up, and to play with
STYLE = """
@page { size: A4; margin: 18mm 17mm }
html { font-size: 13px }
article { break-before: page }
h2, h3 { break-after: avoid }
svg, table, .sd-card, div.math { break-inside: avoid }
.headerlink, details.hide, [data-lc], .toctree-wrapper { display: none }
.bd-article :is(.highlight, .output) pre { white-space: pre-wrap; overflow-wrap: anywhere }
"""


def pages() -> list[str]:
    """Return the pages of the book, in order."""
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    return [n for n in re.findall(r"(?:file|root): (\S+)", toc) if n not in LEFT_OUT]


def joined(names: list[str]) -> str:
    """Return the articles of all pages, with identifiers that differ from page to page."""
    number = {f"{name}.html": k for k, name in enumerate(names)}
    articles = []
    for name in names:
        page = (SITE / f"{name}.html").read_text(encoding="utf-8")
        body = page[page.index('<article class="bd-article">') : page.index("</article>")]
        mine = f"p{number[f'{name}.html']}"

        def elsewhere(match: re.Match[str], name: str = name, mine: str = mine) -> str:
            path, _, anchor = match[1].partition("#")
            if not path:
                return f'href="#{mine}-{anchor}"'
            if ":" in path:
                return match[0]
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
            if target not in number:
                return 'href="https://lstm-course.github.io/lstm-course/' + target + '"'
            return f'href="#p{number[target]}' + (f'-{anchor}"' if anchor else '"')

        body = re.sub(r'\bhref="([^"]*)"', elsewhere, body)
        body = re.sub(r'\bid="', f'id="{mine}-', body)
        body = body.replace("url(#", f"url(#{mine}-").replace("<details>", "<details open>")
        body = body.replace(
            '<article class="bd-article">', f'<article class="bd-article" id="{mine}">'
        )
        articles.append(body + "</article>")
    return "\n".join(articles)


def main(path: Path) -> None:
    """Print the book into a file."""
    page = (
        '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
        '<title>LSTM, Gate by Gate</title><link rel="stylesheet" href="_static/site.css">'
        f"<style>{STYLE}</style></head><body>{joined(pages())}</body></html>"
    )
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.NamedTemporaryFile("w", dir=SITE, suffix=".html", encoding="utf-8") as file:
        file.write(page)
        file.flush()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            tab = browser.new_page()
            tab.set_default_timeout(300_000)
            tab.goto(Path(file.name).as_uri())
            tab.evaluate("document.fonts.ready.then(() => null)")
            tab.pdf(path=path, prefer_css_page_size=True, outline=True, tagged=True)
            browser.close()
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SITE / "lstm-gate-by-gate.pdf")
