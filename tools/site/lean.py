"""Make pages light: the styles in use inside each page, one deferred script, subset fonts.

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
    "scrollable.js",
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

SCROLLABLE = re.compile(
    r'(?<=document\.querySelectorAll\()\["pre"(?:,"[^"]+")*\]\.join\(", "\)(?=\)\.forEach)'
)
"""What the theme's script measures at once, folded or not, which costs a phone half a second;
scrollable.js looks at each when it is seen."""

INLINE = re.compile(r'<style id="site">.*?</style>', re.DOTALL)
"""The styles in a page that this build did not write again."""

THEME = (
    'dataset.theme = localStorage.getItem("theme") || "auto"',
    'dataset.theme = localStorage.getItem("theme") || '
    '(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")',
)
"""Light or dark is known before anything is drawn; the theme alone would lay pages out twice."""

VARIABLE = re.compile(r"var\(\s*(--[\w-]+)")

FIGURE = re.compile(r'(<svg class="lc-figure[^>]*viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*style=")')
"""A figure's size must be known before it is drawn, which is when a reader comes near."""

PLAIN = re.compile(r'<span class="(?:n|nn|p|w)">([^<]*)</span>')
"""Names, punctuation and blanks, which have the colour of all code: half of a page's elements."""

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
    body = body.replace("<pre>", '<pre tabindex="0">')  # until scrollable.js knows better
    body = PLAIN.sub(r"\1", body)
    body = FIGURE.sub(r"\1aspect-ratio: \2 / \3; ", body)
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


def in_use(pages, static):
    """Return all words of pages' attributes and of scripts: what a selector may refer to."""
    words = set()
    for page in pages:
        for names in re.findall(r'\b(?:class|id)="([^"]*)"', page):
            words.update(names.split())
    for path in static.rglob("*.js"):
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


def unused(sheet, read):
    """Return the custom properties that nothing reads, and the animations that nothing plays."""
    defined = set(re.findall(r"(--[\w-]+)\s*:", sheet)) - read - set(VARIABLE.findall(sheet))
    played = set(re.findall(r"animation(?:-name)?:\s*([\w-]+)", sheet))
    return defined | (set(re.findall(r"@(?:-webkit-)?keyframes ([\w-]+)", sheet)) - played)


def stylesheet(pages, static):
    """Return what pages use of all their stylesheets."""
    words, sheet = in_use(pages, static), ""
    for pattern in STYLES:
        (path,) = static.glob(pattern)
        rules = tinycss2.parse_stylesheet(path.read_text(encoding="utf-8"), True, True)
        sheet += purged(rules, words)
    scripts = [one.read_text("utf-8") for one in (*static.glob("*.js"), static / "widgets.css")]
    read = {name for text in (*pages, *scripts) for name in VARIABLE.findall(text)}
    before = ""
    while sheet != before:  # what is dropped may have been the last to read something else
        before, needless = sheet, unused(sheet, read)
        sheet = purged(tinycss2.parse_stylesheet(sheet, True, True), words, needless)
    return sheet


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


def write_fonts(pages, folder):
    """Write each font with the characters that pages use, and no others."""
    text, equations = set(), set()
    for page in map(html.unescape, pages):
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
    folder.mkdir(exist_ok=True)
    for name, (package, file) in FONTS.items():
        options = subset.Options(
            flavor="woff2", layout_features=["kern", "liga", "ssty"], hinting=name != "math"
        )
        with subset.load_font(files(package).joinpath(file), options) as font:
            worker = subset.Subsetter(options)
            worker.populate(unicodes=map(ord, equations if name == "math" else text))
            worker.subset(font)
            subset.save_font(font, folder / f"{name}.woff2", options)


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


def loads(names):
    """Return a pattern of the tags that load files, whatever their folder and version."""
    known = "|".join(Path(one).name.replace(".", r"\.").replace("*", r"\w*") for one in names)
    return re.compile(
        rf'\s*<(?:link|script)\b[^>]*(?:src|href)="(?:[^"]*/)?(?:{known})(?:\?[^"]*)?"[^>]*>'
        "(?:</script>)?"
    )


def one_for_all(names, tag, page):
    """Replace the tags that load several files by one."""
    pattern = loads(names)
    first = pattern.search(page).start()
    return page[:first] + f"\n{tag}" + pattern.sub("", page[first:])


def program(static):
    """Return the scripts of a page as one."""
    text = "\n;".join((static / name).read_text(encoding="utf-8") for name in SCRIPTS)
    text, found = SCROLLABLE.subn('"none"', text)
    if found != 1:
        raise ValueError(f"the theme's script looks for scrollable blocks {found} times, not once")
    return text


def finish(app, exception):
    """Write styles into pages, the script, the fonts, the map and the page for a wrong address."""
    if exception is not None or app.builder.name != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    # Sphinx skips static files where no page has changed.
    shutil.copytree(Path(app.confdir) / "book/_static", static, dirs_exist_ok=True)
    pages = {
        path: INLINE.sub('<link rel="stylesheet" href="site.css">', path.read_text("utf-8"))
        for path in out.rglob("*.html")
        if static not in path.parents
    }
    sheet, script = stylesheet(pages.values(), static), program(static)
    write_fonts(pages.values(), static / "fonts")
    (static / "site.css").write_text(sheet, encoding="utf-8")
    (static / "site.js").write_text(script, encoding="utf-8")
    version = hashlib.sha256(script.encode()).hexdigest()[:8]
    for path, page in pages.items():
        if 'rel="stylesheet"' in page:
            up = "../" * len(path.relative_to(out).parents[:-1]) + "_static"
            style = sheet.replace('url("fonts/', f'url("{up}/fonts/')
            page = one_for_all([*STYLES, "site.css"], f'<style id="site">\n{style}</style>', page)
            page = page.replace(THEME[0], THEME[1])
            if path.name != "search.html":
                tag = f'<script defer src="{up}/site.js?v={version}"></script>'
                page = one_for_all([*SCRIPTS, "site.js"], tag, page)
            path.write_text(named(page), encoding="utf-8")
    base = app.config.html_baseurl
    addresses = [f"<url><loc>{base}{name}.html</loc></url>" for name in sorted(app.env.found_docs)]
    (out / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        + "\n".join(addresses)
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
