"""How theta moves. One rule, one class, simple → hard.

    optimizer.start(theta)                      forget everything; step 0 comes next
    theta = optimizer.step(theta, grad)         one step down

theta is any array, a network's whole vector or a point in the plane, and is changed in place; a plain float
is returned anew. So the same lines train a network, train many lanes of it, and draw a path on a surface.

In the formulas θ is theta, g is grad, η is lr, the learning rate at this step.
"""

from typing import Annotated, Any

import numpy as np

from dlcourse.backend import Array, is_array, to_device, xp
from dlcourse.settings import Rate, is_column, is_number, refuse, settings, share

Momentum_ = Annotated[Any, share, "0.9 is the usual choice; 1 would never slow down."]


class Optimizer:
    """The interface of every optimizer. A subclass writes `update`, and `start` if it remembers something."""

    learning_rate: Any
    steps = 0  # how many have been taken
    lr: Any = None  # the rate of the last one
    theta_like: Any = None

    def start(self, theta: Array, decay_mask: Array | None = None) -> None:
        """Forget everything. decay_mask: 1 where decoupled weight decay acts, 0 where not; None: everywhere."""
        if is_array(theta) and theta.dtype.kind != "f":
            refuse(f"{type(self).__name__}.theta", "hold floating-point numbers", theta.dtype, "Use astype(float).")
        self.steps, self.lr = 0, None
        self.theta_like, self.decay_mask = theta, 1.0 if decay_mask is None else decay_mask

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
        """A number as it is; a column, one value per lane, in theta's own dtype and on its device.

        NumPy lets a Python number take the dtype of the array it meets ("weak"). Treating a column alike
        makes a lane's arithmetic that of a single run, bit for bit.
        """
        if not isinstance(setting, np.ndarray):
            return setting
        shape = getattr(self.theta_like, "shape", ())
        if setting.shape[:-1] != shape[:-1]:
            rule = f"have one row for each lane of theta, whose shape is {shape}"
            refuse(f"{type(self).__name__}.settings", rule, setting.shape, "A column is (lanes, 1).")
        return to_device(setting, self.theta_like.dtype)


def zeros_like(theta: Array) -> Array:
    """Memory for a rule: zeros of theta's kind, an array or a float."""
    return xp.zeros_like(theta) if is_array(theta) else 0.0


@settings
class SGD(Optimizer):
    """Gradient descent (Cauchy 1847); stochastic when g comes from a batch (Robbins & Monro 1951).

    θ ← θ − ηg
    """

    learning_rate: Rate = 0.01

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        theta -= lr * grad
        return theta


@settings
class Momentum(Optimizer):
    """A ball with inertia (Polyak 1964).

    v ← μv − ηg
    θ ← θ + v

    μ = momentum. Under a constant gradient v grows to −ηg / (1 − μ). The rate is inside v, as in Keras and
    Caffe; PyTorch keeps v ← μv + g, θ ← θ − ηv, the same path until η changes, another one afterwards.
    """

    learning_rate: Rate = 0.01
    momentum: Momentum_ = 0.9

    def start(self, theta: Array, decay_mask: Array | None = None) -> None:
        super().start(theta, decay_mask)
        self.v = zeros_like(theta)

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        mu = self.weak(self.momentum)
        self.v *= mu
        self.v -= lr * grad
        theta += self.v
        return theta


@settings
class Nesterov(Optimizer):
    """Momentum that looks ahead (Nesterov 1983; in this form Bengio et al. 2012, arXiv:1212.0901).

    v ← μv − ηg
    θ ← θ + μv − ηg

    The θ kept here is the look-ahead point of the original form, the one where the gradient is taken.
    """

    learning_rate: Rate = 0.01
    momentum: Momentum_ = 0.9

    def start(self, theta: Array, decay_mask: Array | None = None) -> None:
        super().start(theta, decay_mask)
        self.v = zeros_like(theta)

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        mu = self.weak(self.momentum)
        step = lr * grad
        self.v *= mu
        self.v -= step
        theta += mu * self.v
        theta -= step
        return theta
