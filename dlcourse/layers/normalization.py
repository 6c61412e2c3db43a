"""Activations brought to mean 0 and variance 1, then scaled and shifted by what is learned. Simple → hard.

    x_hat = (x − μ) / √(σ² + ε)        μ, σ² over the values that are normalized together; ε inside the root
    y     = γ x_hat + β                γ = gamma, β = beta: one of each per channel

Together are: one channel in a whole batch (BatchNorm), all channels of one example (LayerNorm), a group of
channels in one example (GroupNorm). WeightNormDense (weight_norm.py) leaves the activations alone.

σ² is the mean of (x − μ)², taken after μ is known. The shorter mean(x²) − μ² cancels: in float32 it makes −128
of the variance 1.25 of [40000, 40001, 40002, 40003]. And μ is found from the differences to the first value, so that
values which are all alike give exactly x_hat = 0, y = β.
"""

import math
from typing import Annotated, Any

import numpy as np

from dlcourse.backend import Array, to_device, xp
from dlcourse.initializers import Constant, Shape, Zeros
from dlcourse.layers.base import Layer
from dlcourse.layers.rows import as_images, as_rows, average, floats_only, per_lane, total
from dlcourse.parameters import Parameters
from dlcourse.settings import count, positive, refuse, settings, share

Eps = Annotated[float, positive._replace(lanes=False), "1e-5 is usual."]


class Normalization(Layer):
    """What the three share: a gain and a shift for each channel."""

    eps: float
    gamma: Array
    dgamma: Array
    beta: Array
    dbeta: Array

    def setup(self, input_shape: Shape) -> Shape:
        self.declare("gamma", (1, input_shape[-1]), Constant(1.0))
        self.declare("beta", (1, input_shape[-1]), Zeros())
        return input_shape


@settings
class BatchNorm(Normalization):
    """Every channel is normalized over the batch (Ioffe & Szegedy 2015, arXiv:1502.03167).

    μ, σ² = mean and variance of a channel over the n = batch · height · width rows of x
    x_hat = (x − μ) / √(σ² + ε)
    y = γ x_hat + β
    running_mean ← decay · running_mean + (1 − decay) · μ
    running_var  ← decay · running_var  + (1 − decay) · σ² n/(n − 1)

    dγ = Σ dy x_hat        dβ = Σ dy
    dx = γ/√(σ² + ε) · (dy − mean(dy) − x_hat mean(dy x_hat))

    After training, and when frozen, the running statistics stand for μ and σ², an example no longer depends on
    its neighbours, and dx = γ/√(running_var + ε) · dy.

    x and y (..., batch, channels) or (..., batch, height, width, channels); gamma, beta, running_mean (at first 0)
    and running_var (at first 1) (..., 1, channels). decay is a share in [0, 1), or a (lanes, 1, 1) column.

    x is divided by the biased σ², the running variance is the unbiased one: the paper, PyTorch and Caffe. Keras and
    CS231n keep the biased one. PyTorch's momentum is 1 − decay; what Keras and Caffe call momentum is decay.

    Raises SettingError in training if n is 1: a single value has no variance. An empty batch, and channels that hold
    anything but finite numbers, leave the running statistics as they are. In float32 a deviation above 1e19 has an
    infinite square: y is β there.
    """

    decay: Annotated[Any, share, "0.9 is usual: the last ten batches or so count."] = 0.9
    eps: Eps = 1e-5
    memory = ("running_mean", "running_var")

    def setup(self, input_shape: Shape) -> Shape:
        self.running: Array = None
        return super().setup(input_shape)

    def bind(self, parameters: Parameters) -> None:
        super().bind(parameters)
        if self.running is None:  # a second look through the windows forgets nothing
            self.running = xp.empty((*parameters.lead, 2, self.input_shape[-1]), parameters.dtype)
            self.reset()

    @property
    def running_mean(self) -> Array:
        return self.running[..., :1, :]

    @property
    def running_var(self) -> Array:
        return self.running[..., 1:, :]

    def reset(self) -> None:
        self.running_mean[...] = 0
        self.running_var[...] = 1

    def buffers(self, rows: int) -> dict[str, Shape]:
        return {"x_centred": (rows, *self.input_shape), **super().buffers(rows)}

    def forward(self, x: Array, training: bool = False) -> Array:
        floats_only(self, x)
        rows = as_rows(x, self.input_shape)
        self.from_batch = training and rows.shape[-2] > 0
        if self.from_batch:
            self.centred, variance = self.measure(rows)
        else:
            self.centred, variance = rows - self.running_mean, self.running_var
        self.inverse = 1 / xp.sqrt(variance + self.eps)
        self.scale = self.gamma * self.inverse
        y = xp.multiply(self.centred, self.scale, out=as_rows(self.keep.y, self.input_shape))
        y += self.beta
        return as_images(y, self.input_shape)

    def measure(self, x: Array) -> tuple[Array, Array]:
        """x − μ and σ² of this batch; the running statistics move towards it."""
        n, first, mean = x.shape[-2], x[..., :1, :], average(x)
        if n == 1:
            rule = "hold 2 values or more for each channel in training: one alone has no variance"
            refuse("BatchNorm.x", rule, x.shape, "Take a larger batch; drop_last=True leaves a small last one out.")
        centred = xp.subtract(x, first, out=as_rows(self.keep.x_centred, self.input_shape))
        shift = mean @ centred
        centred -= shift
        variance = mean @ (centred * centred)
        found = xp.empty((*x.shape[:-2], 2, x.shape[-1]), x.dtype)  # μ above σ², as in self.running
        xp.add(first, shift, out=found[..., :1, :])
        xp.multiply(variance, n / (n - 1), out=found[..., 1:, :])
        moved = self.running + per_lane(1 - self.decay, 2, x.dtype) * (found - self.running)
        xp.copyto(self.running, moved, where=xp.isfinite(found[..., 1:, :]))
        return centred, variance

    @property
    def x_hat(self) -> Array:
        """The normalized batch, for pictures: (..., rows, channels), where every position of an image is a row."""
        return self.centred * self.inverse

    def backward(self, dy: Array) -> Array:
        dy, out = as_rows(dy, self.input_shape), as_rows(self.keep.dx, self.input_shape)
        over_rows, n = total(dy), dy.shape[-2]
        xp.multiply(over_rows @ xp.multiply(dy, self.centred, out=out), self.inverse, out=self.dgamma)
        xp.matmul(over_rows, dy, out=self.dbeta)
        if self.from_batch:
            dx = xp.multiply(self.centred, self.inverse * self.dgamma / n, out=out)  # x_hat mean(dy x_hat)
            dx += self.dbeta / n
            dx = xp.subtract(dy, dx, out=out)
            dx *= self.scale
        else:
            dx = xp.multiply(dy, self.scale, out=out)
        return as_images(dx, self.input_shape)


class ExampleNorm(Normalization):
    """What LayerNorm and GroupNorm share: every example by itself, in training and afterwards alike.

    x_hat stays for pictures: (..., rows, channels), where every position of an image is a row.
    """

    def split(self, rows: Array) -> Array:
        """The rows arranged as `mean` wants them; None stays None."""
        raise NotImplementedError

    def first(self, x: Array) -> Array:
        """One of the values of each mean."""
        raise NotImplementedError

    def mean(self, x: Array) -> Array:
        """The mean over what is normalized together, in a shape that meets x again."""
        raise NotImplementedError

    def buffers(self, rows: int) -> dict[str, Shape]:
        return {"x_hat": (rows, *self.input_shape), **super().buffers(rows)}

    def forward(self, x: Array, training: bool = False) -> Array:
        floats_only(self, x)
        rows = as_rows(x, self.input_shape)
        x, out = self.split(rows), self.split(as_rows(self.keep.x_hat, self.input_shape))
        x_hat = xp.subtract(x, self.first(x), out=out)
        x_hat -= self.mean(x_hat)
        self.inverse = 1 / xp.sqrt(self.mean(x_hat * x_hat) + self.eps)
        x_hat *= self.inverse
        self.x_hat = x_hat.reshape(rows.shape)
        y = xp.multiply(self.x_hat, self.gamma, out=as_rows(self.keep.y, self.input_shape))
        y += self.beta
        return as_images(y, self.input_shape)

    def backward(self, dy: Array) -> Array:
        dy, over_rows = as_rows(dy, self.input_shape), total(as_rows(dy, self.input_shape))
        xp.matmul(over_rows, dy * self.x_hat, out=self.dgamma)
        xp.matmul(over_rows, dy, out=self.dbeta)
        g, x_hat = self.split(dy * self.gamma), self.split(self.x_hat)
        dx = xp.multiply(x_hat, self.mean(g * x_hat), out=self.split(as_rows(self.keep.dx, self.input_shape)))
        dx += self.mean(g)
        dx = xp.subtract(g, dx, out=dx)
        dx *= self.inverse
        return as_images(dx.reshape(dy.shape), self.input_shape)


@settings
class LayerNorm(ExampleNorm):
    """Every example is normalized over its own channels (Ba, Kiros & Hinton 2016, arXiv:1607.06450).

    μ, σ² = mean and variance over the channels, the last axis, of one row
    x_hat = (x − μ) / √(σ² + ε)
    y = γ x_hat + β

    dγ = Σ dy x_hat        dβ = Σ dy        over all rows
    dx = (g − mean(g) − x_hat mean(g x_hat)) / √(σ² + ε)        g = γ dy

    x, y (..., batch, channels), or images, where each position is a row of its own; gamma, beta (..., 1, channels).
    The batch plays no part: nothing is remembered, and prediction is training. A single channel gives β.
    PyTorch's default ε is 1e-5 too, Keras' 1e-3.
    """

    eps: Eps = 1e-5

    def split(self, rows: Array) -> Array:
        return rows

    def first(self, x: Array) -> Array:
        return x[..., :1]

    def mean(self, x: Array) -> Array:
        return x @ average(x.mT).mT


@settings
class GroupNorm(ExampleNorm):
    """Every example is normalized over groups of its channels and all of space (Wu & He 2018, arXiv:1803.08494).

    μ, σ² = mean and variance over height, width and channels/groups neighbouring channels of one example
    x_hat = (x − μ) / √(σ² + ε)
    y = γ x_hat + β

    dγ = Σ dy x_hat        dβ = Σ dy        over all rows
    dx = (g − mean(g) − x_hat mean(g x_hat)) / √(σ² + ε)        g = γ dy

    x, y (..., batch, channels) or (..., batch, height, width, channels); gamma, beta (..., 1, channels), one value
    a channel, not a group. groups=1 normalizes the whole example, groups=channels each channel by itself
    (instance norm, Ulyanov et al. 2016). The arguments are PyTorch's less the number of channels; Keras' ε is 1e-3.

    Raises SettingError if the channels cannot be shared out, or leave one value to a group, which would always be β.
    """

    groups: Annotated[int, count, "32 is the paper's choice; it must divide the number of channels."]
    eps: Eps = 1e-5

    def setup(self, input_shape: Shape) -> Shape:
        *space, channels = input_shape
        if channels % self.groups:
            refuse("GroupNorm.groups", f"divide the number of channels, {channels}", self.groups, "1 always does.")
        if math.prod(space) * channels == self.groups:
            refuse("GroupNorm.groups", "leave 2 values or more to each group", self.groups, "Take fewer groups.")
        return super().setup(input_shape)

    def bind(self, parameters: Parameters) -> None:
        super().bind(parameters)
        channels = self.input_shape[-1]
        of = np.arange(channels) * self.groups // channels  # which group is this channel of?
        together = (of[:, None] == of) * (self.groups / channels)
        self.together = to_device(together, parameters.dtype)  # (channels, channels): values @ it = mean over the group
        self.leader = to_device(of * (channels // self.groups))  # the first channel of each one's group

    def split(self, rows: Array) -> Array:
        if rows is None:
            return None
        positions, channels = math.prod(self.input_shape[:-1]), self.input_shape[-1]
        return rows.reshape((*rows.shape[:-2], -1, positions, channels))

    def first(self, x: Array) -> Array:
        return x[..., :1, :].take(self.leader, axis=-1)

    def mean(self, x: Array) -> Array:
        return average(x) @ x @ self.together
