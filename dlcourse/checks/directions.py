"""Chapter 03, last part: weights as a length and a direction."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import finite_differences, same
from dlcourse.checks.normalization import HOME


# fmt: off
def turned(v: Any, g: Any, dw: Any, *, norm: Any = None, by: Any = None, along: Any = None, sign: float = -1.0,
           scale: bool = True) -> tuple[Any, Any]:
    """The two gradients, with a place for every part that can be wrong."""
    n = np.sqrt((v**2).sum(axis=0)) if norm is None else norm
    u = v / n
    dg = (dw * (u if along is None else along)).sum(axis=0)
    return (g if scale else 1) / (n if by is None else by) * (dw + sign * u * (dw * u).sum(axis=0)), dg


def is_the_slope(given: Any, got: Any) -> bool:
    """dv against finite differences of Σ dw · w, with the random dw that was given."""

    def value(v: Any) -> float:
        return float((given.dw * given.g * v / np.sqrt((v**2).sum(axis=0))).sum())

    return same(got[0], finite_differences(value, given.v), 1e-4)


def lengths_and_directions(rng: np.random.Generator) -> list[tuple]:
    shapes = ((3, 2), (2, 4), (4, 4))
    signs = [rng.permutation([1.0, -1.0, *rng.choice([-1.0, 1.0], s[1] - 2)]) for s in shapes]
    lengths = [sign * rng.uniform(0.5, 3.0, len(sign)) for sign in signs]
    return [(rng.normal(size=s) + 0.3, g, rng.normal(size=s)) for s, g in zip(shapes, lengths, strict=True)]


weight_norm_backward = Exercise(
    **HOME,
    name="weight_norm_backward",
    rounds=2,
    title="Weight normalization, backward",
    returns=("dv", "dg"),
    points=3,
    draw=lengths_and_directions,
    examples=[(np.array([[3.0], [4.0]]), np.array([10.0]), np.array([[1.0], [0.0]]))],
    reference=lambda v, g, dw: turned(v, g, dw),
    properties={
        "dv is the slope that finite differences find": is_the_slope,
        "a longer v changes nothing: each column of dv stands at right angles to v":
            lambda given, got: np.abs((given.v * got[0]).sum(axis=0)) < 1e-4,
    },
    mistakes={
        "The length of v is taken for a constant. It depends on v too: − v̂ Σ(dw v̂) belongs to dv.":
            lambda v, g, dw: turned(v, g, dw, sign=0.0),
        "The part along v is added. It must be taken away: w does not change along v.":
            lambda v, g, dw: turned(v, g, dw, sign=1.0),
        "g is missing in dv.": lambda v, g, dw: turned(v, g, dw, scale=False),
        "dv is not divided by the length of v.": lambda v, g, dw: turned(v, g, dw, by=1.0),
        "dv is divided by the squared length of v. It is the length itself.":
            lambda v, g, dw: turned(v, g, dw, by=(v**2).sum(axis=0)),
        "dg takes v in place of v̂, the direction.": lambda v, g, dw: turned(v, g, dw, along=v),
        "dg takes w in place of v̂: g is in it once too often.":
            lambda v, g, dw: turned(v, g, dw, along=g * v / np.sqrt((v**2).sum(axis=0))),
        "One length is taken of all of v. Every column has its own: axis=0.":
            lambda v, g, dw: turned(v, g, dw, norm=np.sqrt((v**2).sum())),
        "The lengths are those of the rows. The weights that flow into one unit are a column.":
            lambda v, g, dw: turned(v, g, dw, norm=np.sqrt((v**2).sum(axis=1, keepdims=True))),
        "dg is a mean. It is the sum over the inputs.":
            lambda v, g, dw: ((out := turned(v, g, dw))[0], out[1] / len(v)),
        "dg is summed over everything. Every unit has its own: axis=0.":
            lambda v, g, dw: ((out := turned(v, g, dw))[0], out[1].sum()),
        "The part that is taken away lies along v̂, the direction. Here it is v itself, as long as it is.":
            lambda v, g, dw: (
                g / (n := np.sqrt((v**2).sum(axis=0))) * (dw - v * (dw * v / n).sum(axis=0)), turned(v, g, dw)[1]),
    },
    variants=(
        lambda v, g, dw: (
            g / (n := np.linalg.norm(v, axis=0)) * dw - g / n**3 * np.einsum("io,io->o", v, dw) * v,
            np.einsum("io,io->o", v, dw) / n),
    ),
    hints=(
        "w = g v̂ with v̂ = v/‖v‖, column by column. dg first: how does w change with g?",
        "dg is the sum of dw · v̂ over each column. For dv take dw, without its part along v̂, times g over the length.",
        "n = np.linalg.norm(v, axis=0); dg = (dw * v / n).sum(axis=0); dv = g / n * (dw - v / n * dg)",
    ),
)
# fmt: on

EXERCISES = [weight_norm_backward]
