"""Typeset equations as MathML while the book is built, so that a page needs no script to show them.

Colours become classes: the stylesheet has a lighter and a darker shade of each.
"""

import html
import re
from functools import cache

from docutils import nodes
from math_core import LatexToMathML

from lstm_course.figures import COLORS

NAMED = {"i": "blue", "f": "red", "g": "green", "o": "magenta", "c": "yellow", "h": "cyan"}
"""A colour that the converter has a name for, in the place of each gate's and each state's."""


@cache
def converter():
    """Return the converter, and what it writes for each of the named colours."""
    made = LatexToMathML(allow_unreliable_rendering=True)
    written = {
        letter: re.search(r'style="color:[^"]+"', mathml(rf"{{\color{{{name}}}{{x}}}}", made))[0]
        for letter, name in NAMED.items()
    }
    return made, written


def mathml(latex, made, display=False):
    """Convert one equation."""
    return made.convert_with_local_state(latex, displaystyle=display)


def equation(latex, display):
    """Return an equation as MathML; the name of a gate's colour becomes its class."""
    for letter, color in COLORS.items():
        if letter in NAMED:
            latex = latex.replace(rf"\color{{{color}}}", rf"\color{{{NAMED[letter]}}}")
    made, written = converter()
    markup = mathml(latex, made, display)
    for letter, style in written.items():
        markup = markup.replace(style, f'class="lc-{letter}"')
    return markup


def visit_inline(translator, node):
    """Write an equation within a line."""
    translator.body.append(f'<span class="math">{equation(node.astext(), display=False)}</span>')
    raise nodes.SkipNode


def visit_block(translator, node):
    """Write an equation of its own line or lines, which scrolls within itself."""
    latex = node.astext()
    label = f' id="equation-{html.escape(node["label"])}"' if node.get("label") else ""
    markup = equation(latex, display=True)
    translator.body.append(f'<div class="math" tabindex="0"{label}>{markup}</div>')
    raise nodes.SkipNode


def setup(app):
    """Register with Sphinx as the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
