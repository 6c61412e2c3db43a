"""Showing the code that a chapter talks about."""

import ast
import inspect
import textwrap
from typing import Any


class Source(str):
    """Python code that a notebook shows with colours."""

    def _repr_markdown_(self) -> str:
        return f"```python\n{self}\n```"

    def __repr__(self) -> str:
        return str(self)


def show_source(thing: Any) -> Source:
    """The formula and the code of a class or function, as a chapter shows it.

    The docstring shrinks to its formula, the lines with ←, = and the like; type hints and checks go.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    node = tree.body[0]
    formula = formula_of(inspect.getdoc(thing) or "")
    Bare().visit(node)
    code = ast.unparse(ast.fix_missing_locations(tree)).replace("\n\n\n", "\n\n")
    return Source("\n".join(f"# {line}" for line in formula) + ("\n" if formula else "") + code)


def formula_of(doc: str) -> list[str]:
    """The first paragraph after the summary that holds formulas."""
    for paragraph in doc.split("\n\n")[1:]:
        lines = paragraph.splitlines()
        if any(sign in lines[0] for sign in ("←", " = ", "~")):
            return lines
    return []


class Bare(ast.NodeTransformer):
    """Takes away what a reader of the formula does not need: docstrings, type hints, decorators, checks."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list, node.bases = [], []
        self.generic_visit(node)
        node.body = without_docstring(node.body)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns, node.decorator_list = None, []
        for argument in [*node.args.args, *node.args.kwonlyargs]:
            argument.annotation = None
        self.generic_visit(node)
        node.body = without_docstring(node.body)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return ast.Assign([node.target], node.value, lineno=node.lineno)


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements but for a docstring and checks."""
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    kept = [s for s in body if not (isinstance(s, ast.If) and "refuse(" in ast.unparse(s))]
    kept = [s for s in kept if not is_check(s)]
    return kept or [ast.Pass()]


def is_check(statement: ast.stmt) -> bool:
    """check(…), check_columns(…), or x = check(…, x, …), which gives back what it was given."""
    if not isinstance(statement, ast.Expr | ast.Assign) or not isinstance(statement.value, ast.Call):
        return False
    arguments = [ast.unparse(argument) for argument in statement.value.args]
    same = isinstance(statement, ast.Expr) or ast.unparse(statement.targets[0]) in arguments
    return ast.unparse(statement.value.func) in ("check", "check_columns") and same
