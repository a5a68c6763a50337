"""How light and how fast the site's pages are: `python -m benchmarks.site [PAGE ...]`.

Serves the built book with compression, as GitHub Pages does, and lets Lighthouse read each page as
a phone on a slow network would (its mobile profile, simulated). Needs Node.js, whose npx fetches
Lighthouse, and Chromium. Ends with an error if a page misses a goal of tools/site/budget.json.
"""

import functools
import gzip
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from lstm_course.experiments import provenance

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build/html"
GOALS = json.loads((ROOT / "tools/site/budget.json").read_text(encoding="utf-8"))
LIGHTHOUSE = "lighthouse@12.8.2"  # of 13 on, Node.js 22 is needed


class Compressed(http.server.SimpleHTTPRequestHandler):
    """Serve files with compression, except those that are compressed already."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Send a file."""
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data, kind = path.read_bytes(), self.guess_type(path)
        self.send_response(200)
        if path.suffix not in {".woff2", ".png"}:
            data = gzip.compress(data)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", kind + "; charset=utf-8" * kind.startswith("text"))
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        self.wfile.write(data)


def measured(address: str) -> dict[str, Any]:
    """Return what Lighthouse says of a page."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        command = ["npx", "--yes", LIGHTHOUSE, address, "--quiet", "--output=json"]
        command += [f"--output-path={path}", "--chrome-flags=--headless --no-sandbox"]
        subprocess.run(command, check=True, env=os.environ | {"CHROME_PATH": chromium})
        report = json.loads(path.read_text(encoding="utf-8"))
    audits = report["audits"]
    asked = audits["network-requests"]["details"]["items"]
    requests = [one for one in asked if not one["url"].startswith("data:")]
    scores = {name: round(100 * one["score"]) for name, one in report["categories"].items()}
    return {
        "bytes": sum(one["transferSize"] for one in requests),
        "requests": len(requests),
        "largest paint, s": round(audits["largest-contentful-paint"]["numericValue"] / 1000, 2),
        "blocked, ms": round(audits["total-blocking-time"]["numericValue"]),
        "shift": round(audits["cumulative-layout-shift"]["numericValue"], 3),
        **scores,
    }


def missed(name: str, one: dict[str, Any]) -> list[str]:
    """Return the goals that a page misses."""
    size = GOALS["chapter" if re.search(r"/\d\d-[^/]*\.html", name) else "page"]
    least, most = GOALS["at least"], GOALS["at most"] | size
    low = [f"{key} {one[key]}" for key, goal in least.items() if one[key] < goal]
    return low + [f"{key} {one[key]}" for key, goal in most.items() if one[key] > goal]


def main(names: list[str]) -> None:
    """Measure the named pages, or all; print a table, and record it if it is of all."""
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    pages = [f"{name}.html" for name in re.findall(r"(?:file|root): (\S+)", toc)]
    handler = functools.partial(Compressed, directory=str(SITE))
    results, failed = {}, False
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in names or pages:
            one = measured(f"http://127.0.0.1:{server.server_port}/{name}")
            results[name] = one
            wrong = missed(name, one)
            failed |= bool(wrong)
            said = ", ".join(f"{key} {value}" for key, value in one.items())
            print(
                f"{name}: {said}" + ("; MISSED: " + ", ".join(wrong) if wrong else ""), flush=True
            )
        server.shutdown()
    if not names:
        record = provenance("python -m benchmarks.site") | {"pages": results}
        path = ROOT / "benchmarks/results/site.json"
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    sys.exit(int(failed))


if __name__ == "__main__":
    main(sys.argv[1:])
