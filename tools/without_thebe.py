"""Leave out the scripts of sphinx-thebe, which Jupyter Book adds to every page, twice.

The book uses Colab for live code. The doubled script declares a constant again, which browsers
report as an error, and it names a host from which it would load more.
"""


def drop_thebe(app, pagename, templatename, context, doctree):
    """Remove the scripts from a page before it is written."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body')}"
    ]


def setup(app):
    """Register with Sphinx, to run after the extensions that add the scripts."""
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
