"""Make slides for those who teach: `make slides`, of part II, or of the pages that are named.

Everything on a slide is taken from the built chapters, so slides and book agree: the question,
every figure with its caption, the equations, the questions with their answers, the code, the recap.
The text between them becomes the speaker's notes. One HTML file, next to the book's pages.
"""

import re
import sys
from pathlib import Path

from bs4 import BeautifulSoup, Tag

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build/html"
NEEDLESS = ".headerlink, details.hide, .toctree-wrapper, [data-lc], .lc-narrow"


def blocks(name: str) -> list[Tag]:
    """Return what a page consists of, in order: headings, paragraphs, cells, questions."""
    page = (SITE / f"{name}.html").read_text(encoding="utf-8")
    article = page[page.index('<article class="bd-article">') : page.index("</article>")]
    soup = BeautifulSoup(article, "html.parser")
    for one in soup.select(NEEDLESS):
        one.decompose()
    for link in soup.find_all("a"):  # a slide leads nowhere
        link.unwrap()
    return [
        one
        for one in soup.find_all(True)
        if one.parent.name in ("section", "article") and one.name != "section"
    ]


def slides(name: str) -> list[tuple[str, str, str]]:
    """Return a chapter's slides: heading, content, and notes."""
    made: list[tuple[str, str, str]] = []
    heading, notes, title = "", list[str](), ""
    found = blocks(name)

    def add(content: str) -> None:
        made.append((heading or title, content, "".join(notes)))
        notes.clear()

    for k, block in enumerate(found):
        text = block.get_text(" ", strip=True)
        after = found[k + 1] if k + 1 < len(found) else None
        if block.name == "h1":
            title = text
            add(f'<p class="question">{found[k + 1].decode_contents()}</p>')
        elif block.name in ("h2", "h3"):
            heading = text
        elif block.name == "div" and "cell" in block.get("class", []):
            shown = block.select_one("svg, .lc-table")
            code = block.select_one(".cell_input .highlight")
            if shown:
                said = after is not None and after.get_text().startswith("What to see")
                add(str(shown) + (str(after) if said else ""))
            elif code and heading.startswith("The code"):
                add(str(code))
        elif "math" in block.get("class", []):
            add(str(block))
        elif block.name == "p" and text.startswith(("Predict.", "Try it yourself.")):
            answers = []
            for answer in found[k + 1 :]:
                if answer.name != "details":
                    break
                answers.append(str(answer))
            add(str(block) + "".join(answers))
        elif block.name == "ul" and heading == "Recap":
            add(str(block))
        elif heading in ("Exercises",) or block.name == "details" or text.startswith("What to see"):
            continue
        elif block.name in ("p", "ul", "ol") and k > 1:
            notes.append(str(block))
    return made


def main(names: list[str], path: Path = SITE / "slides.html") -> None:
    """Write the slides of the named pages, or of part II."""
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    names = names or re.findall(r"file: (book/2-pieces/\S+)", toc)
    parts = []
    for name in names:
        for heading, content, notes in slides(name):
            parts.append(
                f'<section class="slide"><h2>{heading}</h2><div class="content">{content}</div>'
                f'<aside aria-label="Notes">{notes}</aside></section>'
            )
    page = (ROOT / "tools/site/slides.html").read_text(encoding="utf-8")
    path.write_text(page.replace("SLIDES", "\n".join(parts)), encoding="utf-8")
    print(f"{path}: {len(parts)} slides")


if __name__ == "__main__":
    main(sys.argv[1:])
