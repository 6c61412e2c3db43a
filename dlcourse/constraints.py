"""Projections: after every step, weights that left the allowed set are put back onto it.

    constraint.project(parameters)              θ changed in place

Both look at one unit at a time: the weights that flow into it, a column of a dense layer's (in, out), all of
(kh, kw, in) for one filter of a convolution's (kh, kw, in, out). ‖w‖ is the length of that column. Biases,
gains, shifts and what is frozen stay as they are, and so does a column that holds anything but finite numbers.
"""

from typing import Annotated, Any

from dlcourse.backend import Array, norm, xp
from dlcourse.parameters import Parameters
from dlcourse.settings import check_columns, positive, settings

Limit = Annotated[Any, positive, "3 or 4 is usual; a (lanes, 1) column gives each lane its own."]


class Constraint:
    """The interface of every constraint."""

    def project(self, parameters: Parameters) -> None:
        raise NotImplementedError


@settings
class MaxNorm(Constraint):
    """No unit's weights grow longer than `limit` (Srebro & Shraibman 2005; with dropout Srivastava et al. 2014).

    w ← w · limit / ‖w‖    where ‖w‖ > limit

    Columns inside the ball are left exactly as they are. (Keras divides by ‖w‖ + 1e-7, which shrinks those a
    little too; PyTorch's renorm leaves them alone.)
    """

    limit: Limit

    def project(self, parameters: Parameters) -> None:
        check_columns(self, parameters.theta)
        for w in parameters.weights():
            length = column_lengths(w, parameters)
            outside = xp.isfinite(length) & (self.limit < length)
            w *= xp.where(outside, self.limit / xp.where(outside, length, 1), 1)


@settings
class UnitNorm(Constraint):
    """Every unit's weights have length 1: only their direction is learned.

    w ← w / ‖w‖            a column of zeros has no direction and stays
    """

    def project(self, parameters: Parameters) -> None:
        for w in parameters.weights():
            length = column_lengths(w, parameters)
            w /= xp.where(xp.isfinite(length) & (length > 0), length, 1)


def column_lengths(w: Array, parameters: Parameters) -> Array:
    """(lanes?, 1, …, 1, units): the length over all axes but the last, for each lane."""
    return norm(w, axis=tuple(range(len(parameters.lead), w.ndim - 1)))
