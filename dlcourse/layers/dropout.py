"""Noise that trains: units or weights are left out at random, so that none can rely on another. Simple → hard.

Dice are thrown by NumPy on every backend, from the seed that `reseed` was given (training_steps gives its own): the
same seed leaves out the same. All lanes see the same throws; with a column of rates, lane k leaves out what lies
below rate[k].
"""

from typing import Annotated, Any

import numpy as np

from dlcourse.backend import Array, to_device, xp
from dlcourse.initializers import MSRA, Shape, Zeros
from dlcourse.layers.base import Layer
from dlcourse.layers.dense import Init, one_axis
from dlcourse.settings import Rule, count, is_number, settings

left_out = Rule("be a share in [0, 1], or a (lanes, 1, 1) column of such", lambda v: is_number(v) and 0 <= v <= 1, True)
LeftOut = Annotated[Any, left_out, "0.5 leaves out one half; some libraries ask for the share that is kept."]


class Dice(Layer):
    """What the two share: a generator of their own."""

    rate: Any

    def __post_init__(self) -> None:
        self.reseed(np.random.SeedSequence(0))

    def reseed(self, seed: np.random.SeedSequence) -> None:
        self.rng = np.random.default_rng(seed)

    def uniform(self, shape: Shape) -> Array:
        """Throws between 0 and 1: a unit, or a weight, goes where its throw is below the rate."""
        return to_device(self.rng.random(shape[::-1], "float32").T)


def make_up(rate: Any) -> Any:
    """1 / (1 − rate). At rate 1 nothing stays: any factor will do, but 1/0 will not."""
    return 1 / (1 - rate + (rate == 1))


@settings
class Dropout(Dice):
    """Every activation is left out with probability `rate` (Srivastava et al. 2014; Hinton et al. 2012,
    arXiv:1207.0580), here inverted: what stays is scaled up at once, so that prediction has nothing to do.

    m = 1 with probability 1 − rate, else 0     anew for every activation
    y = x m / (1 − rate)                        in training; afterwards y = x
    dx = dy m / (1 − rate)

    The mean of y is x. rate is the share left out, as in PyTorch, Keras and Caffe; the paper's p and CS231n's
    are the share kept. rate=1 gives zeros. rate may be a (lanes, 1, 1) column.
    """

    rate: LeftOut

    def forward(self, x: Array, training: bool = False) -> Array:
        self.m = None
        if not training:
            return x
        self.m = self.rate <= self.uniform(x.shape[-len(self.input_shape) - 1 :])
        return xp.where(self.m, x * make_up(self.rate), 0)  # by selection: 0 · ∞ would be NaN

    def backward(self, dy: Array) -> Array:
        return dy if self.m is None else xp.where(self.m, dy * make_up(self.rate), 0)


@settings
class DropConnectDense(Dice):
    """A dense layer whose weights, not units, are left out (Wan et al. 2013).

    M = 1 with probability 1 − rate, else 0     anew for every weight, once a batch
    y = x (W M / (1 − rate)) + b                in training; afterwards y = x W + b
    dW = xᵀ dy M / (1 − rate)        db = Σ dy        dx = dy (W M / (1 − rate))ᵀ

    The paper draws an M for every example and predicts with a normal approximation; one M a batch and the plain
    mean W afterwards is the form courses use. The bias stays. rate may be a (lanes, 1, 1) column.
    """

    units: Annotated[int, count, "It is the number of outputs."]
    rate: LeftOut
    weight_init: Init = MSRA()
    bias_init: Init = Zeros()

    setting_axes = 2  # a rate meets weights, (inputs, units)

    def setup(self, input_shape: Shape) -> Shape:
        one_axis(self, input_shape)
        self.declare("W", (input_shape[0], self.units), self.weight_init, decays=True)
        self.declare("b", (1, self.units), self.bias_init)
        return (self.units,)

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x, self.M, self.W_thin = x, None, self.W
        if training:
            self.M = self.rate <= self.uniform(self.W.shape[-2:])
            self.W_thin = xp.where(self.M, self.W * make_up(self.rate), 0)
        return x @ self.W_thin + self.b

    def backward(self, dy: Array) -> Array:
        dW = self.x.mT @ dy
        self.dW = dW if self.M is None else xp.where(self.M, dW * make_up(self.rate), 0)
        self.db = dy.sum(axis=-2, keepdims=True)
        return dy @ self.W_thin.mT
