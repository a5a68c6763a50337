"""Open every page of the built book in Chromium, as a reader would: light, dark, and on a phone."""

import gzip
import html
import json
import re
import shutil
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import epub
import numpy as np
import pdf
import pytest
import slides
from axe_playwright_python.sync_playwright import Axe

from benchmarks.site import measured
from conftest import ROOT, SITE, need

CUT = """
[...document.querySelectorAll("div.math, .lc-table, .bd-article table, div.output pre")]
    .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.innerText.slice(0, 80))
"""
"""What a page shows in part: equations, tables and printed lines."""
BUDGET = json.loads((ROOT / "tools/site/budget.json").read_text(encoding="utf-8"))
PAGES = [
    f"{name}.html"
    for name in re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
]


def test_the_whole_book_was_built():
    need(SITE.is_dir(), "the built book", "make book")
    assert all((SITE / name).is_file() for name in PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_page(name, reader, site):
    reader.wrong.clear()
    reader.goto(site + name)
    reader.evaluate("document.fonts.ready.then(() => null)")
    assert reader.wrong == []
    assert reader.evaluate("document.documentElement.dataset.theme") == reader.theme

    assert reader.locator(".math").count() == reader.locator(".math > math").count()
    assert reader.locator("merror").count() == 0

    for width in (360, 1280):
        reader.set_viewport_size({"width": width, "height": 800})
        assert reader.evaluate("document.documentElement.scrollWidth") <= width
    assert reader.evaluate(CUT) == []  # at 1280; on a phone they scroll within themselves
    options = {"resultTypes": ["violations"]}
    if reader.theme == "dark":  # which changes colours alone; the API's many names take long
        options["runOnly"] = ["color-contrast" if name != "book/api.html" else "document-title"]
    found = Axe().run(reader, options=options).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []

    for picture in reader.locator("svg.lc-figure").all():
        assert picture.get_attribute("aria-label")


def test_pictures_and_equations_follow_the_theme(reader, site):
    from lstm_course import figures

    color = {"light": figures.COLORS, "dark": figures.DARK_COLORS}[reader.theme]["f"]
    wanted = np.array([int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    reader.goto(site + "book/2-pieces/04-forget-gate.html")
    shown = reader.locator("math .lc-f").first.evaluate("e => getComputedStyle(e).color")
    mixed = np.array(list(map(float, re.findall(r"[\d.]+", shown)[:3])))
    assert np.abs(mixed - wanted).max() < 0.13  # mixed with a little of the text's colour
    card = "e => getComputedStyle(e.closest('.text_html')).backgroundColor"
    assert reader.locator("svg.lc-figure").first.evaluate(card) == "rgba(0, 0, 0, 0)"
    fills = "es => es.map(e => getComputedStyle(e).fill)"
    found = reader.locator("svg.lc-figure [style*=lc-f]").evaluate_all(fills)
    assert "rgb({}, {}, {})".format(*np.rint(255 * wanted).astype(int)) in found
    reader.goto(site + "book/2-pieces/08-sequence.html")
    assert reader.locator(".lc-table").first.evaluate(card) == "rgba(0, 0, 0, 0)"


def test_equations_and_text_have_their_fonts(reader, site):
    reader.goto(site + "book/2-pieces/04-forget-gate.html")
    reader.evaluate("document.fonts.ready.then(() => null)")
    loaded = "[...document.fonts].filter(f => f.status == 'loaded').map(f => f.family + f.style)"
    families = {name.replace('"', "") for name in reader.evaluate(loaded)}
    assert {"STIX Two Mathnormal", "Source Serifnormal", "Source Serifitalic"} <= families


def weight(name):
    """Return the bytes of a page's first load, served with compression, by its parts."""
    page = SITE / name
    text = page.read_text(encoding="utf-8")
    links = re.findall(r'<(?:script|link|img)[^>]*?(?:src|href)="([^"#]+)"', text)
    kinds = {".js", ".css", ".svg", ".png"}
    found = {(page.parent / link.split("?")[0]).resolve() for link in links if "//" not in link}
    files = [page, *(one for one in found if one.suffix in kinds)]
    fonts = (SITE / "_static/fonts").glob("*.woff2")
    parts = {one.name: len(gzip.compress(one.read_bytes())) for one in files}
    return parts | {one.name: one.stat().st_size for one in fonts}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_light(name):
    parts = weight(name)
    budget = BUDGET["chapter" if re.search(r"/\d\d-[^/]*\.html", name) else "page"]
    assert sum(parts.values()) <= budget["bytes"], parts
    assert len(parts) <= budget["requests"], sorted(parts)


def test_search_engines_and_lost_readers_find_their_way():
    for name in PAGES:
        page = (SITE / name).read_text(encoding="utf-8")
        (said,) = re.findall(r'<meta name="description" content="([^"]+)">', page)
        assert 40 <= len(html.unescape(said)) <= 155, said
        assert re.search(rf'<link rel="canonical" href="https://[^"]+/{name}"', page)
        assert 'property="og:title"' in page
    listed = ElementTree.parse(SITE / "sitemap.xml").getroot()
    assert len(listed) == len(PAGES)
    assert "table of contents" in (SITE / "404.html").read_text(encoding="utf-8")


def test_a_bold_term_shows_its_entry_in_the_glossary(reader, site):
    reader.goto(site + "book/2-pieces/04-forget-gate.html")
    term = reader.locator("a.lc-term", has_text="logit").first
    assert term.get_attribute("title").startswith("The inverse of the sigmoid")
    term.click()
    assert reader.locator(":target").inner_text().startswith("logit")
    assert reader.locator("a.lc-term").count() == 0  # the glossary does not refer to itself


def test_a_figure_can_be_saved_in_the_colours_of_the_page(reader, site):
    reader.goto(site + "book/2-pieces/04-forget-gate.html")
    with reader.expect_download() as saving:
        reader.locator(".lc-download button:visible").first.click()
    download = saving.value
    assert download.suggested_filename == "04-forget-gate-1.svg"
    svg = ElementTree.fromstring(Path(download.path()).read_text(encoding="utf-8"))
    written = ElementTree.tostring(svg, encoding="unicode")
    assert svg.get("width")
    assert "var(" not in written
    assert "currentColor" not in written
    assert written.count("<") > 20


def test_a_diagram_has_its_narrow_form_on_a_phone(reader, site):
    reader.goto(site + "book/2-pieces/07-whole-cell.html")
    for width, form in ((1280, ".lc-wide"), (360, ".lc-narrow")):
        reader.set_viewport_size({"width": width, "height": 800})
        shown = [
            one for one in (".lc-wide", ".lc-narrow") if reader.locator(one).first.is_visible()
        ]
        assert shown == [form]


@pytest.mark.skipif(shutil.which("npx") is None, reason="Lighthouse needs Node.js")
@pytest.mark.parametrize(
    "name", ["book/index.html", "book/explorer.html", "book/2-pieces/08-sequence.html"]
)
def test_lighthouse_finds_nothing_to_improve_but_speed(name, site):
    found = measured(site + name)  # speed, which depends on the machine, is for `make site`
    assert {key: found[key] for key in ("accessibility", "best-practices", "seo")} == {
        "accessibility": 100,
        "best-practices": 100,
        "seo": 100,
    }


@pytest.mark.parametrize(
    ("name", "anchors"),
    [
        ("book/3-learning/10-through-time.html", ["what-it-costs", "recap", "the-code"]),
        ("book/api.html", ["lstm_course.rnn.RNNParams.init", "lstm_course.pointwise.product"]),
    ],
)
def test_a_link_jumps_to_its_place_past_what_is_not_drawn_yet(name, anchors, reader, site):
    for width in (1280, 360):
        reader.set_viewport_size({"width": width, "height": 800})
        reader.goto("about:blank")
        reader.goto(f"{site}{name}#{anchors[0]}")
        for anchor in anchors:
            reader.evaluate(f"location.hash = '{anchor}'")
            reader.wait_for_timeout(400)  # in which figures come alive
            top = reader.evaluate(
                f"document.getElementById('{anchor}').getBoundingClientRect().top"
            )
            assert 0 <= top < 120, anchor


def test_light_or_dark_is_known_before_anything_is_drawn():
    page = (SITE / "book/2-pieces/08-sequence.html").read_text(encoding="utf-8")
    head = page.partition("</head>")[0]
    assert 'dataset.theme = localStorage.getItem("theme") || (matchMedia(' in head


def test_search_finds_a_word(reader, site):
    reader.goto(site + "search.html?q=peephole")
    # Names of the package come first, pages after them.
    reader.wait_for_selector("#search-results li:has-text('The forget gate')")


def test_every_chapter_and_exercise_has_its_colab_button():
    for name in PAGES:
        if re.search(r"/\d\d-[^/]*\.html|/student\.html", name):
            page = (SITE / name).read_text(encoding="utf-8")
            (link,) = re.findall(
                r'href="(https://colab\.research\.google\.com/github/[^"]+)"', page
            )
            assert link.endswith(f"/blob/main/{name.removesuffix('.html')}.ipynb")


def test_all_pages_in_one_refer_to_places_that_are_there():
    names = ["book/index", "book/2-pieces/04-forget-gate", "book/2-pieces/08-sequence"]
    page = pdf.joined([*names, "book/glossary"])
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]+)"', page) + re.findall(r"url\(#([^)]+)\)", page):
        assert target in ids
    assert page.count("<article") == 4
    assert 'href="#p1"' in page  # a link to a chapter that is there
    assert "/book/5-applications/20-text.html" in page  # and to one that is not
    assert "<details>" not in page


def test_slides_have_what_a_chapter_shows():
    made = slides.slides("book/2-pieces/04-forget-gate")
    contents = [content for _, content, _ in made]
    assert "How does a network know when to forget?" in contents[0]
    page = (SITE / "book/2-pieces/04-forget-gate.html").read_text(encoding="utf-8")
    article = page[page.index("<article") : page.index("</article>")]
    assert sum("<svg" in content for content in contents) == article.count("<svg class=")
    assert sum("<details" in content for content in contents) == article.count(
        "<strong>Predict"
    ) + article.count("<strong>Try it")  # questions, with answers
    assert [heading for heading, *_ in made][-1] == "Recap"
    assert sum(len(notes) > 100 for *_, notes in made) > len(made) / 2


def test_slides_turn_by_keys(browser, tmp_path):
    slides.main(["book/2-pieces/04-forget-gate"], tmp_path / "slides.html")
    page = browser.new_page()
    page.goto((tmp_path / "slides.html").as_uri())
    assert page.locator(".slide:visible h2").inner_text() == "4 · The forget gate"
    for key, place in (("ArrowRight", "2 /"), ("End", "/"), ("Home", "1 /")):
        page.keyboard.press(key)
        assert place in page.locator("#where").inner_text()
        assert page.locator(".slide:visible").count() == 1
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert not page.locator("aside:visible").count()
    page.keyboard.press("n")
    assert page.locator("aside:visible").count() == 1
    page.close()


def test_an_epub_is_well_formed_and_refers_to_places_that_are_there(tmp_path):
    assert len(pdf.pages()) == len(PAGES) - len(pdf.LEFT_OUT)
    names = ["book/index", "book/2-pieces/08-sequence", "book/3-learning/10-through-time"]
    epub.main(tmp_path / "book.epub", [*names, "book/glossary"])
    with zipfile.ZipFile(tmp_path / "book.epub") as book:
        assert book.namelist()[0] == "mimetype"
        assert book.getinfo("mimetype").compress_type == zipfile.ZIP_STORED
        pages = {name: book.read(name) for name in book.namelist() if name.endswith(".xhtml")}
    assert len(pages) == 5  # with the contents
    ids = {name: set(re.findall(rb'\bid="([^"]+)"', page)) for name, page in pages.items()}
    for name, page in pages.items():
        ElementTree.fromstring(page)  # or a reader shows nothing
        assert b"var(--" not in page
        for file, anchor in re.findall(rb'href="([^":#]*)#([^"]+)"', page):
            assert anchor in ids[file.decode() or name], (name, file, anchor)
