"""From the file that was handed in to its code. It happens in the worker: a hostile file is its problem.

All code cells count, in their order, those that were handed out locked as well: who writes an import into one of them
has it in the notebook, too. No metadata is trusted: a function is found by its name (checks/cells.py).
"""

import json
from typing import Any

CELLS = 1000  # more than anybody writes


class Unreadable(Exception):
    """It is no notebook; the message says why."""


def code_cells(content: bytes) -> list[str]:
    """The sources of the code cells; raises Unreadable."""
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError, MemoryError):
        raise Unreadable("The file cannot be read as a notebook. Was it saved, and handed in as .ipynb?") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise Unreadable("The file has no cells of a notebook (nbformat 4) in it.")
    if len(notebook["cells"]) > CELLS:
        raise Unreadable(f"The notebook has more than {CELLS} cells.")
    sources = [source_of(cell) for cell in notebook["cells"] if isinstance(cell, dict) and is_code(cell)]
    return [source for source in sources if source.strip()]


def is_code(cell: dict[str, Any]) -> bool:
    return bool(cell.get("cell_type") == "code")


def source_of(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str))
