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

from dlcourse.backend import Array, xp
from dlcourse.initializers import Constant, Shape, Zeros
from dlcourse.layers.base import Layer
from dlcourse.layers.rows import as_images, as_rows
from dlcourse.settings import count, positive, refuse, settings, share

Eps = Annotated[float, positive._replace(lanes=False), "1e-5 is usual."]


class Normalization(Layer):
    """What the three share: a gain and a shift for each channel."""

    eps: float

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

    setting_axes = 2  # decay meets statistics, (1, channels)

    def setup(self, input_shape: Shape) -> Shape:
        self.remember("running_mean", (1, input_shape[-1]), 0.0)
        self.remember("running_var", (1, input_shape[-1]), 1.0)
        return super().setup(input_shape)

    def forward(self, x: Array, training: bool = False) -> Array:
        rows = as_rows(x, self.input_shape)  # (..., n, channels)
        self.from_batch = training and rows.shape[-2] > 0
        mean, var = self.measure(rows) if self.from_batch else (self.running_mean, self.running_var)
        self.sigma = xp.sqrt(var + self.eps)
        self.x_hat = (rows - mean) / self.sigma
        return as_images(self.gamma * self.x_hat + self.beta, self.input_shape)

    def measure(self, x: Array) -> tuple[Array, Array]:
        """μ and σ² of this batch; the running statistics move towards it."""
        n, first = x.shape[-2], x[..., :1, :]
        if n == 1:
            rule = "hold 2 values or more for each channel in training: one alone has no variance"
            refuse("BatchNorm.x", rule, x.shape, "Take a larger batch; drop_last=True leaves a small last one out.")
        mean = first + (x - first).mean(axis=-2, keepdims=True)
        var = ((x - mean) ** 2).mean(axis=-2, keepdims=True)
        self.running_mean = self.running(self.running_mean, mean, var)
        self.running_var = self.running(self.running_var, var * (n / (n - 1)), var)
        return mean, var

    def running(self, average: Array, batch: Array, var: Array) -> Array:
        """The running average after this batch: of a channel that holds anything but finite numbers, as it was."""
        return xp.where(xp.isfinite(var), self.decay * average + (1 - self.decay) * batch, average)

    def backward(self, dy: Array) -> Array:
        dy = as_rows(dy, self.input_shape)
        self.dgamma = (dy * self.x_hat).sum(axis=-2, keepdims=True)
        self.dbeta = dy.sum(axis=-2, keepdims=True)
        if self.from_batch:
            product = (dy * self.x_hat).mean(axis=-2, keepdims=True)
            dy = dy - dy.mean(axis=-2, keepdims=True) - self.x_hat * product
        return as_images(self.gamma / self.sigma * dy, self.input_shape)


class ExampleNorm(Normalization):
    """What LayerNorm and GroupNorm share: every example by itself, in training and afterwards alike.

    x_hat stays for pictures: (..., rows, channels), where every position of an image is a row.
    """

    together: Any  # the axes that are normalized together
    first: Any  # where one value of each of them lies

    def split(self, rows: Array) -> Array:
        """The rows, with axes of their own for what is normalized together."""
        raise NotImplementedError

    def mean(self, x: Array) -> Array:
        return x.mean(axis=self.together, keepdims=True)

    def forward(self, x: Array, training: bool = False) -> Array:
        rows = as_rows(x, self.input_shape)
        x = self.split(rows)
        first = x[self.first]
        mean = first + self.mean(x - first)
        self.sigma = xp.sqrt(self.mean((x - mean) ** 2) + self.eps)
        self.x_hat = ((x - mean) / self.sigma).reshape(rows.shape)
        return as_images(self.gamma * self.x_hat + self.beta, self.input_shape)

    def backward(self, dy: Array) -> Array:
        dy = as_rows(dy, self.input_shape)
        self.dgamma = (dy * self.x_hat).sum(axis=-2, keepdims=True)
        self.dbeta = dy.sum(axis=-2, keepdims=True)
        g, x_hat = self.split(self.gamma * dy), self.split(self.x_hat)
        dx = (g - self.mean(g) - x_hat * self.mean(g * x_hat)) / self.sigma
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

    together = -1
    first = (..., slice(1))  # one value of each row

    def split(self, rows: Array) -> Array:
        return rows


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

    together = (-3, -1)
    first = (..., slice(1), slice(None), slice(1))  # one value of each group

    def setup(self, input_shape: Shape) -> Shape:
        *space, channels = input_shape
        if channels % self.groups:
            refuse("GroupNorm.groups", f"divide the number of channels, {channels}", self.groups, "1 always does.")
        if math.prod(space) * channels == self.groups:
            refuse("GroupNorm.groups", "leave 2 values or more to each group", self.groups, "Take fewer groups.")
        return super().setup(input_shape)

    def split(self, rows: Array) -> Array:
        """(..., batch, positions, groups, channels of a group)"""
        positions, channels = math.prod(self.input_shape[:-1]), self.input_shape[-1]
        return rows.reshape((*rows.shape[:-2], -1, positions, self.groups, channels // self.groups))
