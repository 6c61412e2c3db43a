"""The functions that judging needs, as they were when the course was loaded.

A learner's notebook may change them, by accident (`np.abs = …`, `sum = …` in the wrong place) or to be right at last.
They are put back before anything is judged. That is no sandbox: for grades, see dlcourse/grading.
"""

import builtins
import math
from types import ModuleType

import numpy as np

BUILTINS = (
    "abs", "all", "any", "dict", "enumerate", "float", "getattr", "int", "isinstance", "len", "list", "map", "max",
    "min", "next", "range", "round", "set", "sorted", "str", "sum", "tuple", "type", "zip",
)  # fmt: skip


def functions_of(module: ModuleType) -> dict[str, object]:
    return {name: value for name, value in vars(module).items() if callable(value) and not name.startswith("_")}


KEPT = {
    "": (builtins.__dict__, {name: getattr(builtins, name) for name in BUILTINS}),
    "math.": (math.__dict__, functions_of(math)),
    "np.": (np.__dict__, functions_of(np)),
    "np.linalg.": (np.linalg.__dict__, functions_of(np.linalg)),
    "np.random.": (np.random.__dict__, functions_of(np.random)),
}


def put_back() -> list[str]:
    """Put back what was changed; its names. Calls none of what it puts back."""
    changed = []
    for place, (space, kept) in KEPT.items():
        for name, value in kept.items():
            if space.get(name) is not value:
                space[name] = value
                changed.append(place + name)
    return changed
