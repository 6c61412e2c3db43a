"""The program of one training step, to read."""

import math
from typing import Any

from dlcourse.losses import Loss
from dlcourse.network import Network
from dlcourse.recording.program import Value
from dlcourse.recording.step import Recording, TrainingStep

WORDS = {"affine": "x W + b", "affine_grad": "dW, db", "ones": "sum", "write": "copy"}
MOVES = {"fill", "where", "cast", "write", "draw"}  # numbers are moved, not computed with


def operations(network: Network, loss: Loss, x: Any, y: Any) -> "Listing":
    """What one training step computes, forward, loss and backward: each array operation in turn, as it is replayed.

    A line has the operation, the shapes that go in and the one that comes out, the bytes of what comes out, and the
    FLOPs, additions and multiplications, that it takes. Views cost nothing and are left out. network is left as it was.
    Raises SettingError for data that fits neither network nor loss. A network whose step cannot be recorded has no
    operations to show: the listing says why.

        dl.operations(network, dl.SoftmaxCrossEntropy(), x[:64], y[:64])
    """
    x = network.enter(x)
    target = loss.prepare(y, network.output_shape, network.parameters.dtype)
    return Listing(TrainingStep(network, loss).record(x, target))


class Listing:
    """Prints as a table; `lines` has (operation, shapes in, shape out, bytes, FLOPs) for each row of it."""

    def __init__(self, recording: Recording | str):
        self.reason = recording if isinstance(recording, str) else ""
        lines: list[Value] = [] if isinstance(recording, str) else recording.program.lines
        self.lines = [row(line) for line in lines if line.kind in ("compute", "write", "draw")]

    @property
    def flops(self) -> int:
        return sum(line[4] for line in self.lines)

    @property
    def bytes(self) -> int:
        return sum(line[3] for line in self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __repr__(self) -> str:
        if self.reason:
            return f"This step is computed by the plain formulas, it is not recorded: {self.reason}."
        head = f"one step: {len(self)} operations, {in_units(self.bytes, 'B')}, {in_units(self.flops, 'FLOP')}"
        table = [
            f"{number:>4}  {name:<14}{' '.join(map(str, shapes)):<32}→ {out!s:<18}{in_units(size, 'B'):>9}"
            + (f"{in_units(flops, 'FLOP'):>13}" if flops else "")
            for number, (name, shapes, out, size, flops) in enumerate(self.lines, 1)
        ]
        return "\n".join([head, *table])


def row(line: Value) -> tuple[str, list[Any], Any, int, int]:
    name, shapes, out = line.name, [source.shape for source in line.sources], line.shape
    if line.fn == "affine_grad":  # dW with db under it
        *lead, inputs, units = shapes[0]
        name, shapes, out = line.fn, shapes[1:3], (*lead, inputs + 1, units)
    elif line.kind == "write":
        shapes = shapes[1:]
    elif line.fn == "reduce":
        name = line.options["ufunc"]
    size = math.prod(out) * line.dtype.itemsize
    return WORDS.get(name, name), shapes, out, size, flops_of(name, shapes, out, line)


def flops_of(name: str, shapes: list[Any], out: Any, line: Value) -> int:
    """An addition and a multiplication for each term of a product, one operation for each number elsewhere."""
    if name in ("matmul", "affine"):
        return 2 * math.prod(out) * (shapes[0][-1] + (name == "affine"))
    if name == "affine_grad":
        return 2 * math.prod(out) * shapes[0][-2]
    if name in MOVES or line.kind == "draw":
        return 0
    return max(math.prod(out), *(math.prod(shape) for shape in shapes), 0)


def in_units(number: int, unit: str) -> str:
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.3g} {prefix}{unit}"
    return f"{number} {unit}"
