"""The ways to spoil a line: each operator takes a node of a program and yields what could stand there instead."""

import ast
from collections.abc import Iterator

from dlcourse.checks.gate.laws import LAWS

OTHERS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult, ast.FloorDiv),
    ast.FloorDiv: (ast.Div,), ast.Pow: (ast.Mult,), ast.MatMult: (ast.Mult,), ast.Mod: (ast.FloorDiv,),
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.And: (ast.Or,), ast.Or: (ast.And,),
}  # fmt: skip
RELATED = {
    "mean": ("sum", "median", "max"), "sum": ("mean", "max"), "median": ("mean",), "std": ("var",), "var": ("std",),
    "max": ("min", "mean"), "min": ("max",), "argmax": ("argmin",), "argmin": ("argmax",), "argsort": ("sort",),
    "maximum": ("minimum",), "minimum": ("maximum",), "floor": ("ceil", "round"), "ceil": ("floor",),
    "sqrt": ("square", "cbrt"), "exp": ("exp2", "expm1"), "log": ("log2", "log1p"), "cos": ("sin",), "sin": ("cos",),
    "sign": ("abs",), "zeros": ("ones",), "zeros_like": ("ones_like",), "ones": ("zeros",), "prod": ("sum",),
    "tanh": ("sin",), "solve": ("matmul",), "append": ("insert",), "cumsum": ("cumprod",),
}  # fmt: skip
TRANSPARENT = ("array", "asarray", "float", "int", "list", "tuple", "len", "range", "enumerate", "zip", "bool")
DRAWS = ("normal", "standard_normal", "uniform", "random")


def other_constant(node: ast.AST) -> Iterator[ast.AST]:
    """Off by one, twice, half, nothing."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, bool | int | float):
        return
    v = node.value
    if isinstance(v, bool):
        yield ast.Constant(not v)
        return
    for new in sorted({v + 1, abs(v - 1), 2 * v, v / 2 if isinstance(v, float) or v % 2 else v // 2} - {v}):
        yield ast.Constant(new)


def other_arithmetic(node: ast.AST) -> Iterator[ast.AST]:
    """Another sign, one side alone, the sides exchanged."""
    if isinstance(node, ast.BinOp):
        yield node.left
        yield node.right
        yield from (ast.BinOp(node.left, new(), node.right) for new in OTHERS.get(type(node.op), ()))
        if not isinstance(node.op, ast.Add | ast.Mult):
            yield ast.BinOp(node.right, node.op, node.left)
    if isinstance(node, ast.AugAssign):
        yield from (ast.AugAssign(node.target, new(), node.value) for new in OTHERS.get(type(node.op), ()))
    if isinstance(node, ast.UnaryOp):
        yield node.operand


def other_brackets(node: ast.AST) -> Iterator[ast.AST]:
    """a / (b + c) as a / b + c, a * (b + c) as a * b + c: a pair of brackets is missing."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div | ast.Pow):
        right = node.right
        if isinstance(right, ast.BinOp) and isinstance(right.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
            yield ast.BinOp(ast.BinOp(node.left, node.op, right.left), right.op, right.right)
        left = node.left
        if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add | ast.Sub):
            yield ast.BinOp(left.left, left.op, ast.BinOp(left.right, node.op, right))


def other_root(node: ast.AST) -> Iterator[ast.AST]:
    """√(v + ε) as √v + ε, √v + ε as √(v + ε): what is added moves into the root or out of it."""
    inside = root_of(node)
    if isinstance(node, ast.Call) and isinstance(inside, ast.BinOp) and isinstance(inside.op, ast.Add):
        yield ast.BinOp(ast.Call(node.func, [inside.left], []), ast.Add(), inside.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and isinstance(node.left, ast.Call):
        inside = root_of(node.left)
        if inside:
            yield ast.Call(node.left.func, [ast.BinOp(inside, ast.Add(), node.right)], [])


def other_comparison(node: ast.AST) -> Iterator[ast.AST]:
    """< as <=, and as or; a condition that always holds, that never does, that is turned round."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for new in OTHERS.get(type(node.ops[0]), ()):
            yield ast.Compare(node.left, [new()], node.comparators)
    if isinstance(node, ast.BoolOp):
        yield from (ast.BoolOp(new(), node.values) for new in OTHERS[type(node.op)])
        yield from node.values
    if isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
        yield ast.IfExp(node.test, node.orelse, node.body)
    if isinstance(node, ast.If):
        yield from (ast.If(test, node.body, node.orelse) for test in (ast.Constant(True), ast.Constant(False)))
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)


def other_function(node: ast.AST) -> Iterator[ast.AST]:
    """A related function, or none: the median for the mean, the variance for the deviation, no root."""
    if not isinstance(node, ast.Call):
        return
    name = name_of(node)
    for new in RELATED.get(name, ()):
        if isinstance(node.func, ast.Attribute):
            method = not is_module(node.func.value)
            numpy = ast.Attribute(ast.Name("np", ast.Load()), new, ast.Load())
            function = numpy if method and new == "median" else ast.Attribute(node.func.value, new, ast.Load())
            arguments = [node.func.value, *node.args] if method and new == "median" else node.args
            yield ast.Call(function, arguments, node.keywords)
        else:
            yield ast.Call(ast.Name(new, ast.Load()), node.args, node.keywords)
    if name in ("min", "max", "minimum", "maximum"):
        yield from node.args
    elif len(node.args) == 1 and not node.keywords and name not in TRANSPARENT:
        yield node.args[0]
    if isinstance(node.func, ast.Attribute) and not is_module(node.func.value) and name == "copy":
        yield node.func.value
    for n in range(len(node.keywords)):
        yield ast.Call(node.func, node.args, node.keywords[:n] + node.keywords[n + 1 :])
    if name == "range" and len(node.args) == 1:
        yield ast.Call(node.func, [ast.Constant(1), node.args[0]], [])
        yield ast.Call(node.func, [ast.BinOp(node.args[0], ast.Sub(), ast.Constant(1))], [])


def other_axis(node: ast.AST) -> Iterator[ast.AST]:
    """Along another axis."""
    if isinstance(node, ast.keyword) and node.arg == "axis":
        for axis in (0, 1, 2, None):
            yield ast.keyword("axis", ast.Constant(axis))


def other_place(node: ast.AST) -> Iterator[ast.AST]:
    """Slices one longer or shorter, not turned round; a matrix that is not transposed."""
    if isinstance(node, ast.Slice):
        one = ast.Constant(1)
        lower = ast.BinOp(node.lower, ast.Add(), one) if node.lower else one
        upper = ast.BinOp(node.upper, ast.Sub(), one) if node.upper else ast.UnaryOp(ast.USub(), one)
        yield ast.Slice(lower, node.upper, node.step)
        yield ast.Slice(node.lower, upper, node.step)
        yield ast.Slice(None, node.upper, node.step)
        yield ast.Slice(node.lower, None, node.step)
        yield ast.Slice(node.lower, node.upper, None)
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield node.value


def other_law(node: ast.AST) -> Iterator[ast.AST]:
    """A draw from another law of the same mean and deviation."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DRAWS:
        head = [node.func.value, ast.Constant(node.func.attr)]
        own = "uniform" if node.func.attr in ("uniform", "random") else "normal"
        for law in [law for law in LAWS if law != own]:
            yield ast.Call(ast.Name("_other_law", ast.Load()), [ast.Constant(law), *head, *node.args], node.keywords)


OPERATORS = (
    other_constant, other_arithmetic, other_brackets, other_root, other_comparison, other_function, other_axis,
    other_place, other_law,
)  # fmt: skip


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def root_of(node: ast.AST) -> ast.expr | None:
    """What stands inside of √( )."""
    return node.args[0] if isinstance(node, ast.Call) and name_of(node) == "sqrt" and len(node.args) == 1 else None


def is_module(node: ast.AST) -> bool:
    return ast.unparse(node) in ("np", "np.linalg", "math", "np.random")
