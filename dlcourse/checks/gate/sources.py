"""Wrong answers made of a right one's source: one node of its tree changed in every way that operators.py knows."""

import ast
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dlcourse.checks.gate.operators import OPERATORS
from dlcourse.checks.gate.program import Program

Change = tuple[Callable[[Any], None], Any, Any]  # what puts a node in its place, the old node, the new one


@dataclass(frozen=True)
class Mutant:
    """A function, and in words how it differs from the right one."""

    words: str
    function: Callable[..., Any]


def changed_sources(program: Program) -> Iterator[Mutant]:
    """Every node in turn, changed in every way; the same program does not come twice."""
    known = {written(program.tree)}
    for put, old, new in [*changes(program.tree), *old_values(program.tree), *orders(program.tree)]:
        put(new)
        source = written(program.tree)
        if source not in known and not re.search(r"(\w+)\.append\(\1\)", source):  # a list in itself has no end
            known.add(source)
            with suppress(SyntaxError, ValueError, TypeError):  # of a change that makes no program
                yield Mutant(difference(old, new), program.built())
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
    """A parameter that is assigned anew is read as it was given (the old velocity), or changed where it stands."""
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        for name in [argument.arg for argument in function.args.args]:
            lines = [line if not isinstance(line, ast.FunctionDef) else ast.Pass() for line in function.body]
            places = [n for n, line in enumerate(lines) if name in stored(line)]
            keep = ast.parse(f"_old_{name} = {name}").body[0]
            for line in function.body[places[0] + 1 :] if places else ():
                for parent in list(ast.walk(ast.Module([line], []))):
                    for put, old in loads(parent, name):
                        yield with_line(function, keep, put), old, ast.Name(f"_old_{name}", ast.Load())
            for n in places:
                yield from (
                    (item_setter(function.body, n), function.body[n], new) for new in in_place(function.body[n])
                )


def in_place(line: ast.stmt) -> Iterator[ast.stmt]:
    """a = a + b as a += b and as a[:] = a + b, which change the array that was given."""
    if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
        name, value = line.targets[0], line.value
        if isinstance(value, ast.BinOp) and isinstance(value.left, ast.Name) and value.left.id == name.id:
            yield ast.AugAssign(name, value.op, value.right)
        yield ast.Assign([ast.Subscript(ast.Name(name.id, ast.Load()), ast.Slice(), ast.Store())], value)


def stored(node: ast.AST) -> set[str]:
    """The names that this assigns, or adds to."""
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for n in ast.walk(node):
        changes = isinstance(getattr(n, "ctx", None), ast.Store) or getattr(n, "attr", "") == "append"
        if changes and isinstance(n, ast.Attribute | ast.Subscript) and isinstance(n.value, ast.Name):
            found.add(n.value.id)
    return found


def read(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def depend(a: ast.stmt, b: ast.stmt) -> bool:
    """Does it matter which of the two comes first?"""
    both = bool(stored(a) & (read(b) | stored(b)) or stored(b) & read(a))
    return both or any(isinstance(n, ast.Return) for line in (a, b) for n in ast.walk(line))


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
            lines = [
                n for n, line in enumerate(block) if not isinstance(line, ast.Return) and "_round" not in shown(line)
            ]
            put = block_setter(block)
            yield from ((put, block[:], swapped(block, n, n + 1)) for n in neighbours(block, lines))
            yield from ((put, block[:], [*block[:n], ast.Pass(), *block[n + 1 :]]) for n in lines)
        if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load):
            pairs = [(a, b) for a in range(len(node.elts)) for b in range(a)]
            yield from ((block_setter(node.elts), node.elts[:], swapped(node.elts, a, b)) for a, b in pairs)


def neighbours(block: list[ast.stmt], lines: list[int]) -> list[int]:
    return [n for n in lines if n + 1 in lines and depend(block[n], block[n + 1])]


def block_setter(block: list) -> Callable[[Any], None]:
    return lambda new: block.__setitem__(slice(None), new)


def swapped(items: list, a: int, b: int) -> list:
    new = items[:]
    new[a], new[b] = items[b], items[a]
    return new
