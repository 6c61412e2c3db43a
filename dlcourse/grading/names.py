"""Names of files and students: what kind of file it is, and how it is shown so that no two look alike."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence

IGNORED = {"__MACOSX", "node_modules", "__pycache__"}
DEBRIS = IGNORED | {".DS_Store", ".ipynb_checkpoints", ".git", ".gitignore", ".gitkeep", ".localized"}
NOTEBOOK = re.compile(r"\.ipynb(?: ?\(\d+\))?(?:\.(?:txt|json)(?: ?\(\d+\))?)?$", re.IGNORECASE)  # as browsers save it
ZIP = re.compile(r"\.zip$", re.IGNORECASE)
VERSION = re.compile(r"(?:\.new-[\w.-]+| ?\(\d+\)|-\d+)$")  # of one notebook: an upgrade's, a browser's, a platform's
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # what a spreadsheet takes for the start of one
QUOTED = re.compile(rf"^'+(?=[{re.escape(''.join(FORMULA))}])")  # as tables have it: see feedback


def unmistakable(names: Sequence[str] | Mapping[str, object]) -> dict[str, str]:
    """Each name as it is shown: readable, and no two alike; where that loses something, a number tells it apart."""
    shown: dict[str, str] = {}
    for name in sorted(names, key=lambda name: readable(name) != spelled(name)):
        number = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        lengths = iter((8, 16, 64))
        short = readable(name)
        while short in shown.values() or (short == readable(name) and short != spelled(name)):
            short = f"{readable(name)} {number[: next(lengths)]}"
        shown[name] = short
    return shown


def readable(name: str) -> str:
    """As a text that can be written anywhere: no control characters, no bytes that are not Unicode, not too long, and
    in a table no formula and not two cells.
    """
    name = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    name = "".join(c if c.isprintable() else " " if unicodedata.category(c) == "Zs" else "?" for c in name).strip()
    return QUOTED.sub("", name.replace(";", ","))[:120] or "(no name)"


def spelled(name: str) -> str:
    """A file's name is bytes; where the system thinks in ASCII, they may be letters all the same."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return name


def is_ignored(name: str) -> bool:
    return name.startswith(".") or name in IGNORED


def is_notebook(name: str) -> bool:
    return bool(NOTEBOOK.search(name))


def is_zip(name: str) -> bool:
    return bool(ZIP.search(name))


def is_work(name: str) -> bool:
    return is_notebook(name) or is_zip(name)


def without_ending(name: str) -> str:
    return ZIP.sub("", NOTEBOOK.sub("", name)) or name


def without_hidden(names: Mapping[str, bool]) -> dict[str, bool]:
    return {name: is_folder for name, is_folder in names.items() if not is_ignored(name)}
