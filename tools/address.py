"""Set the repository's address everywhere: `make address URL=https://github.com/OWNER/NAME`.

The address is stated once, in pyproject.toml. Badges, notebooks, the book's configuration and the
citation file repeat it because their readers cannot look it up there.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
URL = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+)")
ELSEWHERE = {".pre-commit-config.yaml", "constraints.txt"}  # these name other projects


def address() -> tuple[str, str]:
    """Return owner and name of the repository, as pyproject.toml states them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return URL.fullmatch(project["urls"]["Repository"]).groups()


def mentions(owner: str, name: str) -> list[str]:
    """Return the forms in which the address occurs: repository, Colab, GitHub Pages."""
    return [
        f"https://github.com/{owner}/{name}",
        f"https://colab.research.google.com/github/{owner}/{name}",
        f"https://{owner.lower()}.github.io/{name}",
    ]


def files() -> list[Path]:
    """Return every text file of the project that may mention the address."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kinds = {".cff", ".css", ".ipynb", ".md", ".py", ".toml", ".yaml", ".yml"}
    found = [ROOT / name for name in names.splitlines() if name not in ELSEWHERE]
    return [path for path in found if path.suffix in kinds and path.exists()]


def main(arguments: list[str]) -> None:
    """Replace the address in every file, or print it if none is given."""
    old = address()
    if not arguments:
        print(f"The address is {mentions(*old)[0]}; change it with make address URL=...")
        return
    match = URL.fullmatch(arguments[0].removesuffix("/").removesuffix(".git"))
    if not match:
        sys.exit(f"URL is {arguments[0]!r}, expected https://github.com/OWNER/NAME")
    # pyproject.toml last: until then a run that was interrupted can be repeated.
    for path in sorted(files(), key=lambda path: path.name == "pyproject.toml"):
        text = changed = path.read_text(encoding="utf-8")
        for was, now in zip(mentions(*old), mentions(*match.groups()), strict=True):
            changed = changed.replace(was, now)
        if changed != text:
            path.write_text(changed, encoding="utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
