"""One rate for all of theta: downhill, with inertia, and looking ahead."""

from typing import Annotated, Any

from dlcourse.backend import Array
from dlcourse.optimizers.base import Optimizer, zeros_like
from dlcourse.settings import Rate, settings, share

Inertia = Annotated[Any, share, "0.9 is the usual choice; 1 would never slow down."]


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
    momentum: Inertia = 0.9

    def remember(self, theta: Array) -> None:
        self.v = zeros_like(theta)

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        self.v = self.momentum * self.v - lr * grad
        theta += self.v
        return theta


@settings
class Nesterov(Optimizer):
    """Momentum that looks ahead (Nesterov 1983; in this form Bengio et al. 2012, arXiv:1212.0901).

    v ← μv − ηg
    θ ← θ + μv − ηg

    The θ kept here is the look-ahead point of the original form, the one where the gradient is taken. As with
    Momentum, PyTorch keeps the rate outside v: the same path until η changes.
    """

    learning_rate: Rate = 0.01
    momentum: Inertia = 0.9

    def remember(self, theta: Array) -> None:
        self.v = zeros_like(theta)

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        self.v = self.momentum * self.v - lr * grad
        theta += self.momentum * self.v - lr * grad
        return theta
