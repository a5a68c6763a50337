"""Give every chapter the number that `_toc.yml` gives it: `make chapters`.

The table of contents decides. To move a chapter, move its line; to insert one, write the notebook
under any number, or none, and add its line. Then this renames the notebook, its exercise and the
exercise's question bank, and renews every number that follows from it: headings, paths, links, and
mentions. A mention is a link in text, `[chapter 4](../2-pieces/04-forget-gate.ipynb)`; in Python,
where there are no links, it is followed by the chapter's name: `chapter 4 (forget-gate)`.
"""

import os
import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
TOC = "_toc.yml"
KINDS = {".ipynb", ".md", ".py", ".toml", ".yml"}
PAGE = re.compile(r"book/\d-[\w-]+/(?:\d\d-)?([a-z][\w-]*)")
EXERCISE = re.compile(r"exercises/(?:\d\d-)?([a-z][\w-]*)/student")
LINK = re.compile(r"(?P<before>\]\(|:link: )(?P<path>[\w./-]+)(?P<after>[#)\s\\])")
LINKED = re.compile(r"\[(?P<text>[^\]\[]*)\]\((?P<path>[\w./-]+\.ipynb)(?P<rest>#[^)\s]*)?\)")
IN_TEXT = re.compile(r"(\b[Cc]hapters? |^)\d+")
IN_CODE = re.compile(r"\b([Cc]hapter )\d+( \(([a-z-]+)\))")
HEADING = re.compile(r"(?<=# )(Exercise )?\d+(?= · )")


def chapters() -> list[tuple[str, str, str]]:
    """Return part's folder, name, and the exercise's name or "" of every chapter, in order."""
    found = []
    for part in yaml.safe_load((ROOT / TOC).read_text(encoding="utf-8"))["parts"]:
        for page in part["chapters"]:
            chapter = PAGE.fullmatch(page["file"])
            if chapter:
                below = " ".join(section["file"] for section in page.get("sections", ()))
                exercise = EXERCISE.search(below)
                folder = page["file"].rpartition("/")[0]
                found.append((folder, chapter[1], exercise[1] if exercise else ""))
    return found


def renames() -> dict[str, str]:
    """Return how every numbered path is called now, and how it should be called."""
    wanted = {}
    for number, (folder, name, exercise) in enumerate(chapters(), start=1):
        wanted[_only("book/*", name, ".ipynb")] = f"{folder}/{number:02}-{name}.ipynb"
        if exercise:
            topic = exercise.replace("-", "_")
            wanted[_only("exercises", exercise, "")] = f"exercises/{number:02}-{exercise}"
            bank = _only("lstm_course/exercises", topic, ".py", "ch[0-9][0-9]_")
            wanted[bank] = f"lstm_course/exercises/ch{number:02}_{topic}.py"
            for test in ROOT.glob(f"tests/exercises/test_ch[0-9][0-9]_{topic}.py"):
                old = test.relative_to(ROOT).as_posix()
                wanted[old] = f"tests/exercises/test_ch{number:02}_{topic}.py"
    return wanted


def _only(folder: str, name: str, ending: str, number: str = "[0-9][0-9]-") -> str:
    found = [
        path for form in (number + name, name) for path in ROOT.glob(f"{folder}/{form}{ending}")
    ]
    if len(found) != 1:
        raise SystemExit(
            f"{folder} should hold {name}{ending} once, and holds it {len(found)} times"
        )
    return found[0].relative_to(ROOT).as_posix()


def files() -> list[str]:
    """Return every text file of the project that may mention a chapter."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = [name for name in names.splitlines() if Path(name).suffix in KINDS | {""}]
    return [name for name in found if (ROOT / name).is_file()]


def renewed(text: str, old_file: str, moved: dict[str, str]) -> str:
    """Return the text of a file with the paths and numbers as they should be."""
    pages = [Path(new).stem for new in moved.values() if new.startswith("book/")]
    numbers = {page[3:]: int(page[:2]) for page in pages}
    new_file = place(old_file, moved)
    here, there = os.path.dirname(old_file), os.path.dirname(new_file)

    def link(match: re.Match[str]) -> str:
        old = os.path.normpath(os.path.join(here, match["path"]))
        known = old if "." in os.path.basename(old) else f"{old}.ipynb"
        new = place(known, moved)
        if "//" in match["path"] or (new == known and here == there):
            return match[0]
        path = os.path.relpath(new.removesuffix("" if known == old else ".ipynb"), there)
        return match["before"] + path + match["after"]

    def linked(match: re.Match[str]) -> str:
        name = Path(match["path"]).stem[3:]
        if name not in numbers:
            return match[0]
        said = IN_TEXT.sub(lambda m: f"{m[1]}{numbers[name]}", match["text"])
        return match[0].replace(f"[{match['text']}]", f"[{said}]", 1)

    def in_code(match: re.Match[str]) -> str:
        known = match[3] in numbers
        return f"{match[1]}{numbers[match[3]]}{match[2]}" if known else match[0]

    if old_file.endswith((".md", ".ipynb")):
        text = LINKED.sub(linked, LINK.sub(link, text))
    text = IN_CODE.sub(in_code, text)
    for old, new in moved.items():  # paths from the root, and names of modules
        was, now = old.removesuffix(".ipynb"), new.removesuffix(".ipynb")
        if "_" in Path(now).stem:
            was, now = Path(was).stem, Path(now).stem
        if was != now:
            text = re.sub(rf"\b{re.escape(was)}(?![\w-])", now, text)
    own = re.match(r"(?:book/\d-[\w-]+/|exercises/)(\d\d)-", new_file)
    if own and new_file.endswith(".ipynb"):
        text = HEADING.sub(lambda m: f"{m[1] or ''}{int(own[1])}", text, count=1)
    return text


def table_of_contents(text: str, moved: dict[str, str]) -> str:
    """Return the table of contents with the numbers that its own order gives."""
    paths = {re.sub(r"/\d\d-", "/", new.removesuffix(".ipynb")): new for new in moved.values()}

    def entry(match: re.Match[str]) -> str:
        new = paths.get(re.sub(r"/\d\d-", "/", match[0]), match[0])
        return new.removesuffix(".ipynb")

    return re.sub(r"book/\d-[\w-]+/[\w-]+|exercises/[\w-]+", entry, text)


def place(file: str, moved: dict[str, str]) -> str:
    """Return where a file will be: moved itself, or in a folder that is."""
    for old, new in moved.items():
        if file == old or file.startswith(f"{old}/"):
            return new + file[len(old) :]
    return file


def main() -> None:
    """Renew what is not as the table of contents says, and say which files."""
    moved = renames()
    for page in ROOT.glob("book/[0-9]-*/*.ipynb"):
        if page.relative_to(ROOT).as_posix() not in moved:
            print(f"{page.relative_to(ROOT)} stands in no line of {TOC}")
    # The table of contents last: until then a run that was interrupted can be repeated.
    for file in sorted(files(), key=lambda file: file == TOC):
        path = ROOT / file
        before = path.read_text(encoding="utf-8")
        after = table_of_contents(before, moved) if file == TOC else renewed(before, file, moved)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(file)
    for old, new in moved.items():
        if old != new:
            (ROOT / new).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / old).rename(ROOT / new)
            print(f"{old} -> {new}")


if __name__ == "__main__":
    main()
