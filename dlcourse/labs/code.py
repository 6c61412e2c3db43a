"""From slider to code: the lines that repeat a lab's run, made from the function that the lab runs."""

import ast
import inspect
import sys
import textwrap
import types
from collections.abc import Callable
from typing import Any


def reproduce(run: Callable[..., Any], settings: dict[str, Any]) -> str:
    """Imports, what `run` needs from a notebook, its source, and one call with these settings."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    result = "*_, state" if inspect.isgeneratorfunction(run) else "state"  # the last of those that it yields
    call = f"{result} = {run.__name__}({arguments})"
    imports: set[str] = set()
    definitions: dict[str, str] = {}
    collect(run, imports, definitions)
    return "\n\n".join(filter(None, ["\n".join(sorted(imports)), *definitions.values(), call]))


def collect(function: Any, imports: set[str], definitions: dict[str, str]) -> None:
    """Add the source of a function, and before it what its names stand for."""
    source = textwrap.dedent(inspect.getsource(function)).strip()
    definitions[function.__name__] = ""  # begun: functions may call each other
    known = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    for name in sorted(used & known.keys() - {function.__name__, *function.__code__.co_varnames}):
        value = known[name]
        if isinstance(value, types.ModuleType):
            alias = "" if value.__name__ == name else f" as {name}"
            imports.add(f"import {value.__name__}{alias}")
        elif home := module_of(name, value, function):
            imports.add(f"from {home} import {name}")
        elif name not in definitions:
            define(name, value, imports, definitions)
    del definitions[function.__name__]
    definitions[function.__name__] = source  # after what it needs


def module_of(name: str, value: Any, function: Any) -> str | None:
    """Where this value can be imported under this name: where it was made, or where the function stands."""
    for home in (getattr(value, "__module__", None), function.__module__):
        if home not in (None, "__main__") and getattr(sys.modules.get(home), name, None) is value:
            return home
    return None


def define(name: str, value: Any, imports: set[str], definitions: dict[str, str]) -> None:
    """A name of the notebook: a function by its source, a number or word as it is; all else stays where it is."""
    if isinstance(value, types.FunctionType):
        collect(value, imports, definitions)
        return
    try:
        ast.literal_eval(repr(value))
    except (ValueError, SyntaxError):
        return
    definitions[name] = f"{name} = {value!r}"
