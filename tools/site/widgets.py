"""Give the pages with a live figure the scripts for it.

A page asks for one with an element such as `<div data-lc="explorer"></div>` behind the figure that
comes alive. Without scripts, and in Colab, the element is empty and the figure stands.
"""

import base64
import json
import re
from pathlib import Path

import numpy as np

from lstm_course import example, lstm_forward
from lstm_course.experiments import RESULTS


def running_example():
    """Return the running example, with the states before each word, for the scripts."""
    params = example.params
    _, _, cache = lstm_forward(example.xs, params, example.h0, example.c0)
    return {
        "words": example.words,
        "W": params.weight_ih.tolist(),
        "U": params.weight_hh.tolist(),
        "b": params.bias.tolist(),
        "xs": example.xs[:, 0].tolist(),
        "hs": [step.h_prev[0].tolist() for step in cache],
        "cs": [step.c_prev[0].tolist() for step in cache],
    }


def model_script(name):
    """Return a script that holds the weights of a language model, in half precision as stored."""
    with np.load(RESULTS / f"next_character-{name}.npz", allow_pickle=False) as file:
        arrays = [file[f"arr_{k}"] for k in range(len(file.files) - 1)]
        characters = "".join(file["characters"])
    weights = b"".join(array.astype("<f2").tobytes() for array in arrays)
    model = {
        "characters": characters,
        "shapes": [array.shape for array in arrays],
        "weights": base64.b64encode(weights).decode(),
    }
    return f"MODELS.{name} = {json.dumps(model)};\n"


def write_models(app, exception):
    """Write the weights that the model viewer loads on a click."""
    if exception is None and app.builder.format == "html":
        for name in ("stories", "reference"):
            path = Path(app.outdir) / f"_static/model-{name}.js"
            path.write_text(model_script(name), encoding="utf-8")


def add_scripts(app, pagename, templatename, context, doctree):
    """Add the scripts to a page before it is written."""
    names = re.findall(r'data-lc="(\w+)"', context.get("body", ""))
    if names:
        app.add_css_file("widgets.css")
        app.add_js_file(None, body=f"const EXAMPLE = {json.dumps(running_example())};")
        for name in dict.fromkeys(["lstm", "widget", *names]):
            app.add_js_file(f"{name}.js", loading_method="defer")


def setup(app):
    """Register with Sphinx."""
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", write_models)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
