"""From slider to code: the lines that repeat a lab's run, made from the function that the lab runs."""

import ast
import inspect
import textwrap
import types
from collections.abc import Callable
from typing import Any


def reproduce(run: Callable[..., Any], settings: dict[str, Any]) -> str:
    """Imports, the source of `run` and one call with these settings."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    call = f"{run.__name__}({arguments})"
    if inspect.isgeneratorfunction(run):
        call = f"*_, state = {call}"  # the last of the states that it yields
    else:
        call = f"state = {call}"
    source = textwrap.dedent(inspect.getsource(run)).strip()
    return "\n".join([*imports(run), "", source, "", call]).strip()


def imports(function: Callable[..., Any]) -> list[str]:
    """The import lines for the names that a function uses from its module."""
    lines = set()
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for name in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}:
        value = function.__globals__.get(name)
        home = getattr(value, "__module__", None)
        if isinstance(value, types.ModuleType):
            alias = "" if value.__name__ == name else f" as {name}"
            lines.add(f"import {value.__name__}{alias}")
        elif value is not None and home not in (None, "__main__", "builtins"):
            lines.add(f"from {home} import {name}")
        elif value is not None and home is None and function.__module__ != "__main__":
            lines.add(f"from {function.__module__} import {name}")
    return sorted(lines)
