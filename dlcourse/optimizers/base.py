"""What every rule shares: start, step, the learning rate, lanes, running averages."""

import math
from typing import Annotated, Any

import numpy as np

from dlcourse.backend import Array, is_array, weak, xp
from dlcourse.settings import is_column, is_number, not_negative, positive, refuse, share

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
        self.steps, self.lr = 0, None
        self.theta_like, self.decay_mask = theta, 1.0 if decay_mask is None else decay_mask
        for name in getattr(self, "__dataclass_fields__", ()):
            self.weak(getattr(self, name))  # a column that does not fit theta is refused here
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
        return self.update(theta, grad, self.weak(self.lr))

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
            return lr
        if not is_number(lr):
            what = f"{type(self).__name__}.learning_rate({self.steps})"
            refuse(what, "be a finite number, or a (lanes, 1) column of such", lr, "The schedule returned it.")
        return float(lr)

    def weak(self, setting: Any) -> Any:
        """A number as it is; a column as theta's lanes take it."""
        if type(setting) is float:
            return setting
        return weak(setting, self.theta_like, f"{type(self).__name__}.settings")

    def average(self, old: Array, decay: Any, new: Array) -> Array:
        """A running average: old ← decay · old + (1 − decay) · new, in place if old is an array."""
        if type(old) is float:
            return decay * old + (1.0 - decay) * new
        old *= self.weak(decay)
        old += self.weak(1.0 - decay) * new  # 1 − decay in Python's numbers, before it meets theta's
        return old

    def bias(self, decay: Any) -> Any:
        """1 − decayᵗ, the share of a running average that is not the 0 it began at: divided by it, it is unbiased."""
        if type(decay) is float:
            return 1.0 - decay**self.steps
        return self.weak(1.0 - power(decay, self.steps))


def zeros_like(theta: Array) -> Array:
    """Memory for a rule: zeros of theta's kind, an array or a float."""
    return xp.zeros_like(theta) if is_array(theta) else 0.0


def sqrt(value: Array) -> Array:
    return math.sqrt(value) if type(value) is float else xp.sqrt(value)


def over_root(step: Array, average: Array, eps: Any) -> Array:
    """step / (√average + ε), written over both if they are arrays: fetching memory takes longer than arithmetic."""
    if not is_array(average):
        return step / (sqrt(average) + eps)
    xp.sqrt(average, out=average)
    average += eps
    step /= average
    return step


def larger(a: Array, b: Array) -> Array:
    """The larger of each two, in a if it is an array."""
    if type(b) is float:
        return a if a >= b else b
    return xp.maximum(a, b, out=a if is_array(a) else None)


def power(base: Any, exponent: Any) -> Any:
    """base to the exponent; in a column lane by lane, since NumPy rounds a power otherwise than Python does."""
    if type(base) is float is type(exponent) or not isinstance(base * exponent, np.ndarray):
        return base**exponent
    pairs = np.broadcast(base, exponent)
    return np.array([float(b) ** float(e) for b, e in pairs]).reshape(pairs.shape)
