"""Other operations for the same numbers, within rounding: what a processor does faster. One rule, one function.

    share_bias          x W + b                 →  [x 1] [W; b]     where W and b are neighbours in theta
    share_bias_grad     dW = xᵀ dy, db = Σ dy   →  [x 1]ᵀ dy        where dW and db are neighbours in grad
    sum_by_product      Σ x over one axis       →  a product with ones
    mask_as_number      dy · (x > 0)            →  the comparison as 0.0 and 1.0, once

RULES is their table. Each looks at one line and returns True if it changed the program.
"""

import numpy as np

from dlcourse.recording.program import Program, Value

COMPARISONS = (np.greater, np.less, np.greater_equal, np.less_equal)


def share_bias(program: Program, line: Value) -> bool:
    """x W + b → [x 1] [W; b]. The array of x gets a column of ones beside it."""
    if not line.is_call(np.add) or len(line.sources) != 2:
        return False
    product, b = line.args
    if line.shape != product.shape or not (
        product.is_call(np.matmul) and b.window and only_user(program, product, line)
    ):
        return False
    x, W = product.args
    if not (isinstance(x, Value) and isinstance(W, Value) and neighbours(W, b, "theta") and can_stand_beside_ones(x)):
        return False
    x.options["ones"] = True
    line.fn, line.args, line.options = "affine", (x, W, b), {}
    program.drop(product)
    return True


def share_bias_grad(program: Program, line: Value) -> bool:
    """dW = xᵀ dy, db = Σ dy → [x 1]ᵀ dy in one product, where x stands beside ones already."""
    if not is_gradient(line):
        return False
    dW, product = line.args
    if not product.is_call(np.matmul) or not only_user(program, product, line):
        return False
    left, dy = product.args
    x = left.args[0] if left.kind == "view" and left.name in ("mT", "T") else None
    if x is None or not x.options.get("ones"):
        return False
    for other in program:
        if is_gradient(other):
            db, total = other.args
            if (
                neighbours(dW, db, "grad")
                and is_sum(total, -2)
                and total.args[0] is dy
                and only_user(program, total, other)
            ):
                earlier, later = sorted((line, other), key=program.lines.index)
                later.fn, later.args = "affine_grad", (dW, x, dy, db)
                for gone in (product, total, earlier):
                    program.drop(gone)
                return True
    return False


def sum_by_product(program: Program, line: Value) -> bool:
    """A sum along the batch, or along a row, is a product with ones: the fastest road that a processor has."""
    for axis in (-1, -2):
        if is_sum(line, axis) and len(line.args[0].shape) - line.args[0].lanes == 2 and line.dtype.kind == "f":
            line.fn, line.options = "ones", {"axis": axis}
            return True
    return False


def mask_as_number(program: Program, line: Value) -> bool:
    """A comparison that is only ever multiplied is kept as 0.0 and 1.0: no conversion at every product."""
    if line.kind != "compute" or line.fn not in COMPARISONS or id(line) in program.kept_ids:
        return False
    users = program.users(line)
    if not users or not all(u.is_call(np.multiply) and u.shape == line.shape and u.dtype.kind == "f" for u in users):
        return False
    line.options["as"], line.dtype = "number", users[0].dtype
    return True


RULES = (share_bias, share_bias_grad, sum_by_product, mask_as_number)


def rewrite(program: Program) -> Program:
    """Every rule, on every line."""
    for rule in RULES:
        for line in list(program):
            if rule(program, line):
                program.readers = None
    program.sweep()
    return program


def only_user(program: Program, value: Value, user: Value) -> bool:
    return id(value) not in program.kept_ids and program.users(value) == [user]


def neighbours(weights: Value, bias: Value, vector: str) -> bool:
    """Do (inputs, units) and (1, units) lie one above the other in this vector?"""
    if not weights.window or not bias.window or not weights.window[0] == bias.window[0] == vector:
        return False
    shapes = len(weights.shape) - weights.lanes == 2 and bias.shape[-2:] == (1, weights.shape[-1])
    return shapes and weights.window[2] == bias.window[1]


def is_gradient(line: Value) -> bool:
    """dW = …, as a layer wrote it?"""
    return line.kind == "write" and line.fn is None and bool(line.args[0].window) and isinstance(line.args[1], Value)


def is_sum(value: Value, axis: int) -> bool:
    options = value.options
    return value.is_call("reduce") and (options["ufunc"], options["axes"], options["keepdims"]) == (
        "add",
        (axis,),
        True,
    )


def can_stand_beside_ones(x: Value) -> bool:
    """Is its array the program's own, or one to copy from? A view looks at memory laid out already."""
    own = (x.kind == "compute" and x.fn != "fill") or x.options.get("role") == "batch"
    return own and len(x.shape) - x.lanes == 2 and not x.window
