"""What went wrong in a learner's function, in a true sentence, with their own line.

The standard library and NumPy only, as in all that goes into the sandbox.
"""

import ast
import inspect
import linecache
import sys
import textwrap
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.checks.clock import Budget, TimeUp, call_within
from dlcourse.checks.plain import LONGEST, type_name

NOT_THE_LEARNERS = tuple({sys.prefix, sys.base_prefix, np.__path__[0], str(Path(__file__).parent.parent)})
Frames = list[tuple[types.CodeType, int]]


class Asked(Exception):
    """Raised by input() while nobody is there to answer."""


def safe(text: Callable[[], str]) -> str:
    """Words from the learner's own objects, which may raise, or never end, while they are asked."""
    try:
        found = call_within(Budget(1.0), text, [])
        return found[:LONGEST] if type(found) is str else ""
    except (Exception, TimeUp):
        return ""


def message(error: BaseException) -> str:
    return safe(lambda: str(error))


def what_went_wrong(function: Any, error: BaseException) -> tuple[str, str]:
    """The kind of an answer, and its problem. A function that nobody has written yet is known by its code."""
    own = own_frames(error)
    if isinstance(error, Asked):
        words = "It asks with input(), and while it is checked nobody answers. All it needs is in its arguments."
        return "error", words + place(own)
    if type(error) is NotImplementedError and own:
        code = own[-1][0]
        unwritten = safe(lambda: unwritten_part(code))
        itself = code is getattr(function, "__code__", None) or len(own) == 1
        if unwritten == "all" and itself:
            return "todo", message(error)
        if unwritten == "all":
            return "error", f"It calls {code.co_name}, which is not written yet." + place(own[:-1])
        if unwritten:
            words = "The line that raises NotImplementedError still stands in it. Take it out."
            return "error", words + place(own)
    return "error", explain(error)


def unwritten_part(code: types.CodeType) -> str:
    """ "all" where a function does nothing but raise NotImplementedError, "line" where that stands among its lines."""
    try:
        (function,) = ast.parse(textwrap.dedent("".join(inspect.getsourcelines(code)[0]))).body
        lines = getattr(function, "body", None)
    except (OSError, TypeError, SyntaxError, ValueError):
        lines = None
    if lines is None:  # without its source: such code knows one name and has no variables of its own
        own = code.co_nlocals - code.co_argcount - code.co_kwonlyargcount
        return "all" if code.co_names == ("NotImplementedError",) and own == 0 else ""
    if isinstance(lines[0], ast.Expr) and isinstance(lines[0].value, ast.Constant):
        lines = lines[1:]
    raises = [line for line in lines if isinstance(line, ast.Raise) and "NotImplementedError" in ast.unparse(line)]
    return ("all" if len(lines) == 1 else "line") if raises else ""


def own_frames(error: BaseException) -> Frames:
    """Where it came from, the last line at the end; nothing of Python's, NumPy's or ours."""
    frames = [(frame.f_code, number) for frame, number in traceback.walk_tb(error.__traceback__)]
    strange = (*NOT_THE_LEARNERS, "<frozen")
    return [(code, number) for code, number in frames if not code.co_filename.startswith(strange)]


def explain(error: BaseException) -> str:
    """The error and the line of the learner's code it came from: `NameError: … In step, line 3: v = mu * w`."""
    said = message(error).strip()
    own = own_frames(error)
    return type_name(error) + (f": {said}" if said else "") + (place(own) or ".")


def place(own: Frames) -> str:
    if not own:
        return ""
    code, number = own[-1]
    line = linecache.getline(code.co_filename, number).strip()
    return f"\nIn {code.co_name}, line {number}" + (f": {line[:200]}" if line else "")


def unreadable(error: BaseException) -> str:
    """Of a cell that is no Python."""
    line = getattr(error, "lineno", None)
    where = f", line {line} of its cell" if line else ""
    return f"{type_name(error)}: {getattr(error, 'msg', '')}{where}. Its cell cannot be read."


def place_of(error: BaseException, file: str) -> str:
    """`ValueError: … in line 3`, of a file that is run whole."""
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    for frame, number in traceback.walk_tb(error.__traceback__):
        line = number if frame.f_code.co_filename == file else line
    return f"{type_name(error)}: {message(error)[:200]}" + (f" in line {line}" if line else "")
