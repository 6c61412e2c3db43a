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
from dlcourse.layers.dense import Affine, Init, one_axis, with_ones
from dlcourse.layers.rows import per_lane
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

    def throw(self, shape: Shape, dtype: Any) -> None:
        """Sets `gone`, what is left out, and `factor` = 1/(1 − rate), which makes up for it."""
        dice = self.rng.random(shape[::-1], "float32").T  # in the order of a kept (rows, features) array
        self.gone = to_device(dice) < per_lane(self.rate, len(shape), "float32")
        stay = 1 - np.asarray(self.rate)
        factor = 1 / np.where(stay > 0, stay, 1)  # at rate 1 nothing stays: any factor will do, but 1/0 will not
        self.factor = per_lane(factor, len(shape), dtype) if factor.ndim else float(factor)

    def thin(self, x: Array, out: Array | None = None) -> Array:
        """x · factor where x stays, else 0. (By selection: 0 · ∞ would be NaN.)"""
        out = xp.multiply(x, self.factor, out=out)
        xp.copyto(out, 0, where=self.gone)
        return out


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
        self.training = training
        if not training:
            return x
        shape = x.shape[-len(self.input_shape) - 1 :]
        self.throw(shape, x.dtype)
        return self.thin(x, self.keep.y)

    def backward(self, dy: Array) -> Array:
        return self.thin(dy, self.keep.dx) if self.training else dy


@settings
class DropConnectDense(Affine, Dice):
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

    def setup(self, input_shape: Shape) -> Shape:
        one_axis(self, input_shape)
        self.declare("W", (input_shape[0], self.units), self.weight_init, decays=True)
        self.declare("b", (1, self.units), self.bias_init)
        return (self.units,)

    def buffers(self, rows: int) -> dict[str, Shape]:
        return {"x1": (rows, self.input_shape[0] + 1), **super().buffers(rows)}

    def forward(self, x: Array, training: bool = False) -> Array:
        self.training, self.thin_W = training, self.W
        if training:
            self.throw(self.W.shape[-2:], self.W.dtype)
            self.thin_W = self.thin(self.W)
        self.x1 = with_ones(x, out=self.keep.x1)
        return xp.matmul(self.x1, xp.concatenate([self.thin_W, self.b], axis=-2), out=self.keep.y)

    def backward(self, dy: Array) -> Array:
        xp.matmul(self.x1.mT, dy, out=self.dWb)
        if self.training:
            self.thin(self.dW, self.dW)
        return xp.matmul(dy, self.thin_W.mT, out=self.keep.dx) if self.needs_dx else None
