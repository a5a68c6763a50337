"""Make pages light: one stylesheet of what is in use, few scripts and all deferred, subset fonts.

Also what search engines and social networks look for: a description, a card, a map of the site.
"""

import hashlib
import html
import logging
import re
import shutil
from importlib.resources import files
from pathlib import Path

import tinycss2
from docutils import nodes
from fontTools import subset

DROPPED = ("thebe", "togglebutton", "design-tabs", "toggleHint", "toggleOpen", "OPTIONS.pagename")
"""Scripts of extensions that no page needs: the book has no live code and no tabs of theirs."""

SCRIPTS = [
    "documentation_options.js",
    "doctools.js",
    "sphinx_highlight.js",
    "clipboard.min.js",
    "copybutton.js",
    "scripts/sphinx-book-theme.js",
    "figures.js",
    "scripts/bootstrap.js",
    "scripts/pydata-sphinx-theme.js",
]
"""Those of every page, in their order; that of the search asks for some of them one by one."""

ROLES = (' role="doc-biblioentry"', ' role="list"', ' role="doc-backlink"')
"""Of the bibliography: deprecated, or at odds with what is inside."""

FONTS = {
    "text": ("font_source_serif_pro", "files/SourceSerifPro-Regular.otf"),
    "text-italic": ("font_source_serif_pro", "files/SourceSerifPro-It.otf"),
    "text-bold": ("font_source_serif_pro", "files/SourceSerifPro-Semibold.otf"),
    "math": ("ziamath", "fonts/STIXTwoMath-Regular.ttf"),
}
"""Both families are under the SIL Open Font License 1.1, in packages that ship them whole."""

STYLES = [
    "basic.css",
    "styles/pydata-sphinx-theme.css",
    "pygments.css",
    "styles/sphinx-book-theme.css",
    "copybutton.css",
    "mystnb.*.css",
    "sphinx-design.min.css",
    "lstm.css",
]
"""In the order in which a page would load them."""

VARIABLE = re.compile(r"var\(\s*(--[\w-]+)")

BOOTSTRAP = {
    *("active", "disabled", "fade", "hiding", "show", "showing"),
    *("dropdown-menu", "dropdown-menu-end", "dropdown-toggle"),
    *("tooltip", "tooltip-arrow", "tooltip-inner", "bs-tooltip-auto"),
    *(f"bs-tooltip-{side}" for side in ("bottom", "end", "start", "top")),
}
"""What its script adds to the two parts that pages use, menus and tooltips."""

ICON = re.compile(r"^\.(svg-inline--)?fa")
"""Selectors of the icon font, which is left out."""


def thin_page(app, pagename, templatename, context, doctree):
    """Drop scripts, defer the others, and tell search engines what the page is about."""
    kept = []
    for script in context["script_files"]:
        body = script.attributes.get("body", "")
        if not any(name in f"{script.filename} {body}" for name in DROPPED):
            # Pages share these objects. That of the search has scripts that ask for them at once.
            if pagename == "search":
                script.attributes.pop("defer", None)
            elif script.filename and not body:
                script.attributes["defer"] = "defer"
            kept.append(script)
    context["script_files"] = kept
    context["css_files"] = [
        one
        for one in context["css_files"]
        if not any(name in str(one.filename) for name in DROPPED)
    ]
    body = context.get("body", "")
    body = re.sub(r'<script type="text/x-thebe-config">.*?</script>', "", body, flags=re.DOTALL)
    body = re.sub(r"<script>kernelName = .*?</script>", "", body)
    for needless in (' aria-label="Toggle hidden content"', *ROLES):
        body = body.replace(needless, "")
    # A corner of a table with nothing in it is no header.
    context["body"] = re.sub(r"<th\b[^>]*?( style=[^>]*)?>(?:<p></p>)?</th>", r"<td\1></td>", body)
    title = re.sub("<[^>]+>", "", context.get("title", ""))
    card = {
        "og:type": "article",
        "og:site_name": app.config.html_title or app.config.project,
        "og:title": html.unescape(title),
        "og:description": description(doctree),
        "og:image": f"{app.config.html_baseurl}_static/screenshot.png",
        "og:url": f"{app.config.html_baseurl}{pagename}.html",
    }
    tags = [f'<meta name="description" content="{html.escape(description(doctree))}">']
    tags += [f'<meta property="{k}" content="{html.escape(v)}">' for k, v in card.items()]
    context["metatags"] = context.get("metatags", "") + "\n".join(tags)


def description(doctree):
    """Return the first sentences of a page, at most 155 characters of them."""
    text = (
        "Derive the LSTM, compute it by hand, write it from scratch in NumPy, and test the claims."
    )
    if doctree is not None:
        found = [one.astext() for one in doctree.findall(nodes.paragraph)][:2]
        text = re.sub(r"\s+", " ", " ".join(found)) or text
    return text if len(text) <= 155 else text[:154].rsplit(" ", 1)[0] + "…"


def in_use(out):
    """Return all words of pages' attributes and of scripts: what a selector may refer to."""
    words = set()
    for path in out.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for names in re.findall(r'\b(?:class|id)="([^"]*)"', text):
            words.update(names.split())
    for path in (out / "_static").rglob("*.js"):
        if not any(name in path.name for name in ("model-", "fontawesome", "bootstrap")):
            words.update(re.findall(r"[\w-]+", path.read_text(encoding="utf-8")))
    return words | BOOTSTRAP


def selectors_of(prelude):
    """Split a rule's selectors at the commas that stand in no parentheses."""
    parts, depth = [""], 0
    for letter in tinycss2.serialize(prelude):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def matches(selector, words):
    """Return whether a selector may match something; what :not and its like say is not read."""
    outside = re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", selector))
    return set(re.findall(r"[.#]([\w-]+)", outside)) <= words and not ICON.search(selector)


def purged(rules, words, needless=frozenset()):
    """Return a stylesheet's rules as text, without what matches nothing or is not needed."""
    text = ""
    for rule in rules:
        if rule.type == "qualified-rule":
            kept = [one for one in selectors_of(rule.prelude) if matches(one, words)]
            content = squeezed(rule.content, needless)
            if kept and content:
                text += f"{','.join(kept)}{{{content}}}\n"
        elif rule.type == "at-rule" and rule.content is not None:
            name = tinycss2.serialize(rule.prelude).strip()
            content = squeezed(rule.content)
            if "fontawesome" in content.replace(" ", "").lower() or name in needless:
                continue
            if rule.at_keyword in ("media", "supports", "container", "layer"):
                content = purged(rules_of(rule.content), words, needless)
            if content:
                text += f"@{rule.at_keyword} {name}{{{content}}}\n"
    return text


def unused(sheet, pages):
    """Return the custom properties that nothing reads, and the animations that nothing plays."""
    defined = set(re.findall(r"(--[\w-]+)\s*:", sheet)) - pages - set(VARIABLE.findall(sheet))
    played = set(re.findall(r"animation(?:-name)?:\s*([\w-]+)", sheet))
    return defined | (set(re.findall(r"@(?:-webkit-)?keyframes ([\w-]+)", sheet)) - played)


def rules_of(content):
    """Parse the rules inside an at-rule, or of a whole sheet."""
    return tinycss2.parse_rule_list(content, skip_comments=True, skip_whitespace=True)


def squeezed(content, needless=frozenset()):
    """Return declarations without comments, needless blanks, and needless custom properties."""
    if needless:
        found = tinycss2.parse_blocks_contents(content, True, True)
        content = [one for one in found if getattr(one, "name", "") not in needless]
    text = re.sub(r"/\*.*?\*/", "", tinycss2.serialize(content), flags=re.DOTALL)
    return re.sub(r"\s+", " ", text).strip()


def write_fonts(out):
    """Write each font with the characters that pages use, and no others."""
    text, equations = set(), set()
    for path in out.rglob("*.html"):
        page = html.unescape(path.read_text(encoding="utf-8"))
        for one in re.findall(r"<math.*?</math>", page, re.DOTALL):
            equations |= set(re.sub("<[^>]+>", "", one))
        article = page.partition("<article")[2].partition("</article>")[0]
        text |= set(re.sub(r"<svg.*?</svg>|<math.*?</math>|<[^>]+>", "", article, flags=re.DOTALL))
    # Letters of equations are italic, which a browser takes from a block of their own.
    for letter in map(ord, list(equations)):
        if chr(letter).isascii() and chr(letter).isalpha():
            small = chr(letter).islower()
            equations.add(
                chr(letter - ord("a" if small else "A") + (0x1D44E if small else 0x1D434))
            )
    italic_greek = range(0x1D6FC, 0x1D71C)
    equations |= {"\u210e", *map(chr, italic_greek)}
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    for name, (package, file) in FONTS.items():
        options = subset.Options(flavor="woff2", layout_features=["kern", "liga", "ssty"])
        with subset.load_font(files(package).joinpath(file), options) as font:
            worker = subset.Subsetter(options)
            worker.populate(unicodes=map(ord, equations if name == "math" else text))
            worker.subset(font)
            (out / "_static/fonts").mkdir(exist_ok=True)
            subset.save_font(font, out / f"_static/fonts/{name}.woff2", options)


def named(page):
    """Name the parts of a page's frame that the theme leaves without a name."""
    page = page.replace(
        '<div id="pst-primary-sidebar"',
        '<div role="complementary" aria-label="Book" id="pst-primary-sidebar"',
    )
    return re.sub(
        r">([^<]+)</a><details([^>]*)><summary>",
        r'>\1</a><details\2><summary aria-label="pages below \1">',
        page,
    )


def one_for_all(names, tag, content, page):
    """Replace the tags that load several files by one, which the content tells from older ones."""
    known = "|".join(Path(one).name.replace(".", r"\.").replace("*", r"\w*") for one in names)
    file = tag.rpartition("/")[2].replace(".", r"\.")
    kind = r"<script\b[^>]*src" if "script" in tag else r"<link\b[^>]*href"
    end = "></script>" if "script" in tag else ">"
    loads = re.compile(rf'\s*{kind}="[^"]*?/(?:{known}|{file})(?:\?[^"]*)?"[^>]*>(?:</script>)?')
    first = loads.search(page).start()
    version = hashlib.sha256(content.encode()).hexdigest()[:8]
    return page[:first] + f'\n{tag}?v={version}"{end}' + loads.sub("", page[first:])


def finish(app, exception):
    """Write the stylesheet, the fonts, the map and the page for a wrong address."""
    if exception is not None or app.builder.name != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    # Sphinx skips static files where no page has changed.
    shutil.copytree(Path(app.confdir) / "book/_static", static, dirs_exist_ok=True)
    words, sheet = in_use(out), ""
    for pattern in STYLES:
        (path,) = static.glob(pattern)
        rules = tinycss2.parse_stylesheet(path.read_text(encoding="utf-8"), True, True)
        sheet += purged(rules, words)
    readers = [*out.rglob("*.html"), *static.glob("*.js"), static / "widgets.css"]
    pages = {name for path in readers for name in VARIABLE.findall(path.read_text("utf-8"))}
    before = ""
    while sheet != before:  # what is dropped may have been the last to read something else
        before, needless = sheet, unused(sheet, pages)
        sheet = purged(tinycss2.parse_stylesheet(sheet, True, True), words, needless)
    (static / "site.css").write_text(sheet, encoding="utf-8")
    write_fonts(out)
    program = "\n;".join((static / name).read_text(encoding="utf-8") for name in SCRIPTS)
    (static / "site.js").write_text(program, encoding="utf-8")
    for path in out.rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        if 'rel="stylesheet"' in page and static not in path.parents:
            up = "../" * len(path.relative_to(out).parents[:-1]) + "_static/site"
            page = one_for_all(STYLES, f'<link rel="stylesheet" href="{up}.css', sheet, page)
            if path.name != "search.html":
                page = one_for_all(SCRIPTS, f'<script defer src="{up}.js', program, page)
            path.write_text(named(page), encoding="utf-8")
    base = app.config.html_baseurl
    pages = [f"<url><loc>{base}{name}.html</loc></url>" for name in sorted(app.env.found_docs)]
    (out / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        + "\n".join(pages)
        + "\n</urlset>\n",
        encoding="utf-8",
    )
    lost = (Path(__file__).parent / "404.html").read_text(encoding="utf-8")
    (out / "404.html").write_text(lost.replace("BASE", base), encoding="utf-8")


def setup(app):
    """Register with Sphinx: pages after the extensions that add scripts, files at the very end."""
    app.connect("html-page-context", thin_page, priority=900)
    app.connect("build-finished", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
