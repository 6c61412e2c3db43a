"""From the file that was handed in to the cells that count. It happens in the worker: a hostile file is its problem.

What counts are the learner's own code cells, in their order: solutions, helpers, imports. Cells that were locked when
the exercise was handed out (nbgrader's metadata) do not, whatever stands in them now. No metadata is trusted further
than that: a function is found by its name, and where several cells define it the last one holds, as in a notebook.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

CELLS = 1000  # more than anybody writes


class Unreadable(Exception):
    """It is no notebook; the message says why."""


def own_cells(content: bytes) -> list[str]:
    """The sources of the learner's own code cells; raises Unreadable."""
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError, MemoryError):
        raise Unreadable("The file cannot be read as a notebook. Was it saved, and handed in as .ipynb?") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise Unreadable("The file has no cells of a notebook (nbformat 4) in it.")
    if len(notebook["cells"]) > CELLS:
        raise Unreadable(f"The notebook has more than {CELLS} cells.")
    sources = [source_of(cell) for cell in notebook["cells"] if isinstance(cell, dict) and is_own(cell)]
    return [source for source in sources if source.strip()]


def is_own(cell: dict[str, Any]) -> bool:
    if cell.get("cell_type") != "code":
        return False
    metadata = cell.get("metadata")
    facts = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return not (isinstance(facts, dict) and facts.get("locked") is True and facts.get("solution") is not True)


def source_of(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str))


def definition(name: str) -> re.Pattern[str]:
    """Finds where a cell defines a function, without parsing what may not be Python at all.

    Every repetition has an end: a hostile text must not make it go through the same stretch again and again.
    """
    return re.compile(rf"^(?:async )?(?:def {{1,9}}{name}\b|{name} {{0,9}}(?::[^=\n]{{0,99}})?=(?!=))", re.MULTILINE)


def definitions(sources: list[str], names: Iterable[str]) -> dict[str, list[int]]:
    """By name, the places of the cells that define it."""
    return {name: [n for n, source in enumerate(sources) if definition(name).search(source)] for name in names}


def without_magics(source: str) -> str:
    """`%matplotlib inline` and `!ls` are no Python: such lines become comments, and all line numbers stay."""
    return re.sub(r"^([ \t]*)[%!?]", r"\1pass  # ", source, flags=re.MULTILINE)
