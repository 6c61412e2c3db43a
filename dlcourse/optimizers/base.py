"""What every rule shares: start, step, the learning rate; and two functions for floats and arrays alike."""

import math
from typing import Annotated, Any

from dlcourse.backend import Array, is_array, xp
from dlcourse.columns import Column
from dlcourse.settings import check_columns, is_column, is_number, not_negative, positive, refuse, share

Average = Annotated[Any, share, "0.9 averages over about 10 steps, 0.999 over 1000; 1 would never learn anything new."]
Eps = Annotated[Any, positive, "1e-8 is usual; 0 would divide 0 by 0 where a gradient is zero."]
WeightDecay = Annotated[Any, not_negative, "0.01 is usual; the weights shrink by η times this in every step."]


class Optimizer:
    """The interface of every optimizer. A rule writes `update`, and `remember` if it has a memory."""

    needs_scores = False  # True: step(theta, grad, scores)
    learning_rate: Any
    steps = 0  # how many have been taken
    lr: Any = None  # the rate of the last one
    theta_like: Any = None

    def start(self, theta: Array, decay_mask: Array | None = None) -> None:
        """Forget everything. decay_mask: 1 where decoupled weight decay acts, 0 where not; None: everywhere."""
        if is_array(theta) and (theta.dtype.kind != "f" or theta.dtype.itemsize < 4):  # in float16 ε = 1e-8 is 0
            what, rule = f"{type(self).__name__}.theta", "hold floating-point numbers of 32 or 64 bits"
            refuse(what, rule, theta.dtype, "Use astype(float).")
        check_columns(self, theta)
        self.steps, self.lr = 0, None
        self.theta_like, self.decay_mask = theta, 1.0 if decay_mask is None else decay_mask
        if hasattr(self.learning_rate, "reset"):  # a rate that watches the loss has a memory too
            self.learning_rate.reset()
        self.remember(theta)

    def remember(self, theta: Array) -> None:
        """Make the rule's memory, empty."""

    def step(self, theta: Array, grad: Array) -> Array:
        """theta after one step along grad, changed in place if it is an array."""
        if self.theta_like is None:
            self.start(theta)
        self.lr = self.rate()
        self.steps += 1
        return self.update(theta, grad, self.lr)

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        """The rule itself."""
        raise NotImplementedError

    def rate(self) -> Any:
        """The learning rate of the coming step: a number, or a column with one for each lane."""
        lr = self.learning_rate
        if not callable(lr):
            return lr
        lr = lr(self.steps)
        if is_column(lr):
            return Column(lr)
        if not is_number(lr):
            what = f"{type(self).__name__}.learning_rate({self.steps})"
            refuse(what, "be a finite number, or a (lanes, 1) column of such", lr, "The schedule returned it.")
        return float(lr)


def zeros_like(theta: Array) -> Array:
    """Memory for a rule: zeros of theta's kind, an array or a float."""
    return xp.zeros_like(theta) if is_array(theta) else 0.0


def sqrt(value: Array) -> Array:
    return math.sqrt(value) if type(value) is float else xp.sqrt(value)


def maximum(a: Array, b: Array) -> Array:
    return max(a, b) if type(b) is float else xp.maximum(a, b)
