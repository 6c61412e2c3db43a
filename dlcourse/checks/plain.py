"""Whatever a learner's function gives back, as plain data, or a sentence that says what it is instead.

The standard library and NumPy only, as in all that goes into the sandbox.
"""

import contextlib
import types
from typing import Any

import numpy as np

LARGEST = 10_000_000  # entries of an answer
LONGEST = 500  # characters of a text


class NotPlain(Exception):
    """A value that is no plain data; the message says what it is instead."""


def plain(value: Any, depth: int = 0) -> Any:
    """Arrays (numbers too: 0-d), texts and tuples of these; raises NotPlain for anything else."""
    kind = type(value)
    if kind is str:
        return value[:LONGEST]
    if kind in (tuple, list):
        if depth > 3 or len(value) > LARGEST:
            raise NotPlain("a very large or very deep list")
        if kind is list and len(value) > 64:
            return as_array(value)
        return tuple(plain(v, depth + 1) for v in value)
    if hasattr(kind, "__cuda_array_interface__") and hasattr(kind, "get"):  # an array on a GPU
        value = value.get()
    return as_array(value)


def as_array(value: Any) -> np.ndarray:
    if isinstance(value, np.ndarray):
        array = np.ndarray.view(value, np.ndarray) if type(value) is not np.ndarray else value
    elif value is None or isinstance(value, str | bytes | dict | set | type | types.FunctionType | types.ModuleType):
        raise NotPlain(kind_of(value))
    else:
        try:
            array = np.asarray(value)
        except Exception:
            raise NotPlain(kind_of(value)) from None
    if array.size > LARGEST:
        raise NotPlain(f"an array of shape {array.shape}, far too large")
    if array.dtype == object and isinstance(value, list | np.ndarray):
        with contextlib.suppress(Exception):
            array = array.astype(float)
    if array.dtype.kind not in "biuf":
        raise NotPlain(kind_of(value) if array.dtype == object else f"an array of {array.dtype}")
    return np.array(array)


def kind_of(value: Any) -> str:
    """What it is, in words, for a value that may lie or raise when asked."""
    if value is None:
        return "nothing (None). Does the function end with `return`?"
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | types.MethodType):
        return "a function. Was it meant to be called?"
    if isinstance(value, types.GeneratorType):
        return "a generator. Use return, not yield, or put list(...) around it"
    if isinstance(value, type):
        return f"the class {type_name(value, of=value)}. Was it meant to be called?"
    known = {"str": "a text", "dict": "a dictionary", "set": "a set"}
    return known.get(type_name(value), f"an object of type {type_name(value)}, not numbers")


def type_name(value: Any, of: Any = None) -> str:
    return str(type.__getattribute__(of or type(value), "__name__"))[:60]
