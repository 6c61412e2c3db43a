"""Wrong answers made of a right one's source: one node of its tree changed in every way that operators.py knows."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

from dlcourse.checks.gate.laws import other_law
from dlcourse.checks.gate.operators import OPERATORS

ROUNDS, LARGEST = 2000, 10**15  # of a `while`, and of a whole number in it: beyond, a mutant has lost its way


class Lost(Exception):
    """A mutant that would never end, or not before the numbers fill the memory."""


@dataclass(frozen=True)
class Mutant:
    """A function, and in words how it differs from the right one."""

    words: str
    function: Callable[..., Any]


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


def program_of(source: str, entry: str) -> Program:
    """From a cell of a notebook."""
    return Program(guarded(without_docstrings(ast.parse(source))), entry, {"np": np})


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
    return Program(guarded(without_docstrings(ast.Module(parts[::-1], []))), "_entry", {**function.__globals__, **names})


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
    return ast.FunctionDef(name, node.args, node.body, [], None, lineno=node.lineno, col_offset=0)


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


# One node changed


def changed_sources(program: Program) -> Iterator[Mutant]:
    """Every node in turn, changed in every way; the same program does not come twice."""
    known = {written(program.tree)}
    for put, old, new in [*changes(program.tree), *old_values(program.tree), *orders(program.tree)]:
        put(new)
        source = written(program.tree)
        if source not in known and not re.search(r"(\w+)\.append\(\1\)", source):  # a list in itself has no end
            known.add(source)
            try:
                yield Mutant(difference(old, new), program.built())
            except (SyntaxError, ValueError, TypeError):
                pass  # a change that makes no program
        put(old)


def written(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node))


def difference(old: Any, new: Any) -> str:
    if not isinstance(old, list):
        return f"{shown(old)} → {shown(new)}"
    parts = [shown(a) for a, b in zip(old, new, strict=True) if a is not b]
    return f"{parts[0]} is left out" if len(parts) == 1 else f"{parts[0]} changes places with {parts[1]}"


def shown(node: ast.AST) -> str:
    words = " ".join(written(node).split())
    return words if len(words) < 90 else f"{words[:60]} … {words[-25:]}"


Change = tuple[Callable[[Any], None], Any, Any]


def changes(tree: ast.AST) -> Iterator[Change]:
    """(put, old, new) for every expression and statement of the tree and everything an operator makes of it."""
    names = names_in(tree)
    for parent in list(ast.walk(tree)):
        if isinstance(parent, ast.arguments):
            continue
        for place, value in list(ast.iter_fields(parent)):
            if isinstance(value, ast.AST):
                yield from ((setter(parent, place), value, new) for new in replaced(value, names))
            elif isinstance(value, list):
                for n, part in enumerate(value):
                    if isinstance(part, ast.AST):
                        yield from ((item_setter(value, n), part, new) for new in replaced(part, names))


def setter(parent: ast.AST, place: str) -> Callable[[Any], None]:
    return lambda node: setattr(parent, place, node)


def item_setter(items: list, n: int) -> Callable[[Any], None]:
    return lambda node: items.__setitem__(n, node)


def replaced(node: ast.AST, names: list[str]) -> Iterator[ast.AST]:
    if "_round" in written(node) and isinstance(node, ast.Expr | ast.Call | ast.Name):
        return
    for operator in OPERATORS:
        yield from operator(node)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        yield from (ast.Name(other, ast.Load()) for other in names if other != node.id)


def names_in(tree: ast.AST) -> list[str]:
    """What a function's own names are: its parameters, and what it assigns."""
    found = [node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)]
    found += [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return [name for name in dict.fromkeys(found) if name != "_entry"]


def old_values(tree: ast.Module) -> Iterator[Change]:
    """A parameter that is assigned anew is read as it was given: the old velocity, the old s."""
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        given = {argument.arg for argument in function.args.args}
        stored = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        for name in sorted(given & stored):
            keep = ast.parse(f"_old_{name} = {name}").body[0]
            for parent in list(ast.walk(ast.Module(function.body, []))):
                for put, old in loads(parent, name):
                    new = ast.Name(f"_old_{name}", ast.Load())
                    yield with_line(function, keep, put), old, new


def loads(parent: ast.AST, name: str) -> Iterator[tuple[Callable[[Any], None], ast.Name]]:
    for place, value in ast.iter_fields(parent):
        for n, part in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Load):
                yield (item_setter(value, n) if isinstance(value, list) else setter(parent, place)), part


def with_line(function: ast.FunctionDef, line: ast.stmt, put: Callable[[Any], None]) -> Callable[[Any], None]:
    def both(node: ast.AST) -> None:
        put(node)
        if isinstance(node, ast.Name) and node.id.startswith("_old_"):
            function.body.insert(0, line)
        else:
            function.body.remove(line)

    return both


def orders(tree: ast.Module) -> Iterator[Change]:
    """Two neighbouring lines, or two outputs, change places; a line is left out."""
    for node in ast.walk(tree):
        for block in (getattr(node, "body", None), getattr(node, "orelse", None)):
            if isinstance(node, ast.Module) or not isinstance(block, list):
                continue
            lines = [n for n, line in enumerate(block) if not isinstance(line, ast.Return) and "_round" not in shown(line)]
            put = block_setter(block)
            yield from ((put, block[:], swapped(block, n, n + 1)) for n in lines if n + 1 in lines)
            yield from ((put, block[:], [*block[:n], ast.Pass(), *block[n + 1 :]]) for n in lines)
        if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load):
            pairs = [(a, b) for a in range(len(node.elts)) for b in range(a)]
            yield from ((block_setter(node.elts), node.elts[:], swapped(node.elts, a, b)) for a, b in pairs)


def block_setter(block: list) -> Callable[[Any], None]:
    return lambda new: block.__setitem__(slice(None), new)


def swapped(items: list, a: int, b: int) -> list:
    new = items[:]
    new[a], new[b] = items[b], items[a]
    return new
