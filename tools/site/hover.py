"""Show a glossary entry where a reader points at a bold term.

Chapters set a term in bold where it first stands, and know nothing of the glossary: in Colab there
is none. On the site the first bold occurrence on a page becomes a link to the entry, with the entry
as its title.
"""

import re
from functools import cache

from docutils import nodes

GLOSSARY = "book/glossary"


def spellings(term):
    """Return how a term may stand in a text: `dropout`, or `... (BPTT)` and what it stands for."""
    full, short = re.fullmatch(r"(.+?)(?: \((\w+)\))?", term.lower()).groups()
    return [name + plural for name in (full, short) if name for plural in ("", "s")] + [
        term.lower()
    ]


@cache
def entries(app):
    """Return the glossary: every spelling, with the entry's anchor and its sentence."""
    found = {}
    for item in app.env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        term = next(item.findall(nodes.term))
        sentence = next(item.findall(nodes.paragraph)).astext().rpartition(" (")[0]
        for name in spellings(term.astext()):
            found[name] = term["ids"][0], sentence.replace("\n", " ")
    return found


def link_terms(app, doctree, docname):
    """Link the first bold occurrence of each term of a page."""
    if docname == GLOSSARY or app.builder.format != "html":
        return
    known, seen = entries(app), set()
    for bold in list(doctree.findall(nodes.strong)):
        anchor, sentence = known.get(bold.astext().lower(), ("", ""))
        if not anchor or anchor in seen or isinstance(bold.parent, nodes.reference):
            continue
        seen.add(anchor)
        uri = app.builder.get_relative_uri(docname, GLOSSARY)
        link = nodes.reference(
            "", "", refuri=f"{uri}#{anchor}", reftitle=sentence, classes=["lc-term"]
        )
        bold.replace_self(link)
        link += bold


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-resolved", link_terms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
