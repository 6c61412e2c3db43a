"""The source of a right answer, ready to be changed and run."""

import ast
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

from dlcourse.checks.gate.laws import other_law

ROUNDS, LARGEST = 2000, 10**15  # of a `while`, and of a whole number in it: beyond, a mutant has lost its way


class Lost(Exception):
    """A mutant that would never end, or not before the numbers fill the memory."""


@dataclass
class Program:
    """The source of a right answer: a tree, the name of its function, and what the tree's names stand for."""

    tree: ast.Module
    entry: str
    names: dict[str, Any] = field(default_factory=dict)

    def built(self) -> Callable[..., Any]:
        count = 0

        def one_round(names: dict[str, Any]) -> None:
            nonlocal count
            count += 1
            if count > ROUNDS or any(isinstance(v, int) and abs(v) > LARGEST for v in names.values()):
                raise Lost

        def answer(*arguments: Any) -> Any:
            nonlocal count
            count = 0
            return space[self.entry](*arguments)

        space = {**self.names, "_other_law": other_law, "_round": one_round}
        exec(compile(ast.fix_missing_locations(self.tree), "a mutant", "exec"), space)
        return answer


def program_of(source: str, entry: str, before: Sequence[str] = ()) -> Program:
    """From a cell of a notebook. before: the cells whose functions it may call; they stay as they are."""
    space: dict[str, Any] = {"np": np}
    for cell in before:
        exec(cell, space)
    return Program(guarded(without_docstrings(ast.parse(source))), entry, space)


def program_of_function(function: Any) -> Program | None:
    """From a function or a lambda in a file, together with the functions of its file that it calls."""
    parts, queue, seen = [], [("_entry", function)], set()
    names = dict(inspect.getclosurevars(function).nonlocals)
    while queue:
        name, one = queue.pop()
        node = find_source(one)
        if node is None:
            return None
        seen.add(name)
        parts.append(renamed(node, name))
        called = {key: one.__globals__.get(key) for key in inspect.getclosurevars(one).globals}
        queue += [(key, f) for key, f in called.items() if is_own(f, function) and key not in seen]
    return Program(
        guarded(without_docstrings(ast.Module(parts[::-1], []))), "_entry", {**function.__globals__, **names}
    )


def is_own(one: Any, function: Any) -> bool:
    return isinstance(one, FunctionType) and one.__globals__ is function.__globals__


def find_source(function: Any) -> ast.FunctionDef | ast.Lambda | None:
    """The node of the file that became this function: the one on its line that compiles to its code."""
    try:
        tree = ast.parse(inspect.getsource(inspect.getmodule(function) or function))
    except (OSError, TypeError, SyntaxError):
        return None
    code = function.__code__
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda) and node.lineno == code.co_firstlineno:
            made = compile(ast.fix_missing_locations(ast.Module([renamed(node, "f")], [])), "f", "exec")
            if any(getattr(part, "co_code", None) == code.co_code for part in made.co_consts):
                return node
    return None


def renamed(node: ast.FunctionDef | ast.Lambda, name: str) -> ast.stmt:
    if isinstance(node, ast.Lambda):
        return ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], node), node)
    return ast.copy_location(ast.FunctionDef(name, node.args, node.body, [], None), node)


def without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body.pop(0)
    return tree


def guarded(tree: ast.Module) -> ast.Module:
    """Every `while` counts its rounds: a mutant that never ends must not hold up the gate."""
    for node in ast.walk(tree):
        if isinstance(node, ast.While):
            node.body.insert(0, ast.parse("_round(locals())").body[0])
    return tree
