"""Layers that look at every place of an image or a signal with the same weights."""

import itertools
import math
from typing import Annotated, Any

from dlcourse.backend import Array, sliding_windows, xp
from dlcourse.initializers import MSRA, Shape, Zeros
from dlcourse.layers.base import Layer
from dlcourse.layers.dense import Init
from dlcourse.layers.rows import as_images, as_rows
from dlcourse.settings import Rule, count, is_list, is_whole, refuse, settings

Pads = list[tuple[int, int]]  # how many zeros before and after, for each axis of space

side = Rule(
    "be a whole number, 1 or more, or one for each axis", lambda v: len(sides(v)) > 0 and all(map(count.test, sides(v)))
)
padding = Rule('be "same" or a whole number, 0 or more', lambda v: v == "same" or (is_whole(v) and v >= 0))
Filters = Annotated[int, count, "It is the number of channels of the output."]
Kernel = Annotated[Any, side, "3 is the usual one."]
Padding = Annotated[Any, padding, '"same" keeps the size at stride 1; 0 uses whole patches only.']
Stride = Annotated[int, count, "1 visits every position; 2 halves height and width."]


def sides(kernel_size: Any) -> tuple[Any, ...]:
    return tuple(kernel_size) if is_list(kernel_size) else (kernel_size,)


class Convolution(Layer):
    """What Conv1D and Conv2D share. They are a dense layer on patches.

    All patches of x are copied, one to a row. Then y is the product of these rows with W, plus b, and dW is the product
    of their transpose with dy. dx is a convolution itself: at stride 1 that of dy with
    the kernel turned round, in general every patch's gradient added up where the patch lay.
    """

    axes: int  # of space: 1 or 2
    filters: int
    kernel_size: Any
    padding: Any
    stride: int
    weight_init: Any
    bias_init: Any

    def setup(self, input_shape: Shape) -> Shape:
        name = type(self).__name__
        if len(input_shape) != self.axes + 1:
            shape = "(height, width, channels)" if self.axes == 2 else "(length, channels)"
            refuse(f"{name}.input_shape", f"have the axes {shape}", input_shape, "A grey image has 1 channel.")
        *space, channels = input_shape
        self.kernel = sides(self.kernel_size) * (1 if len(sides(self.kernel_size)) > 1 else self.axes)
        if len(self.kernel) != self.axes:
            rule = "be one number" if self.axes == 1 else "be one number, or two, (kh, kw)"
            refuse(f"{name}.kernel_size", rule, self.kernel_size, "One does for all sides.")
        self.pads = [self.zeros(n, k) for n, k in zip(space, self.kernel, strict=True)]
        # so many zeros around dy, and its patches under the turned kernel are as many as x has positions
        self.turned_pads = [(k - 1 - p[0], k - 1 - p[1]) for k, p in zip(self.kernel, self.pads, strict=True)]
        self.turns = self.stride == 1 and min(map(min, self.turned_pads)) >= 0
        out = [(n + sum(p) - k) // self.stride + 1 for n, k, p in zip(space, self.kernel, self.pads, strict=True)]
        if min(out) < 1:
            rule = f"fit into the image, {' × '.join(map(str, space))}, and its padding"
            refuse(f"{name}.kernel_size", rule, self.kernel_size, "Take a smaller one, or more padding.")
        self.declare("W", (*self.kernel, channels, self.filters), self.weight_init, decays=True)
        self.declare("b", (1, self.filters), self.bias_init)
        return (*out, self.filters)

    def zeros(self, n: int, k: int) -> tuple[int, int]:
        """Zeros before and after an axis of length n. "same": an output of length ⌈n / stride⌉."""
        if self.padding != "same":
            return self.padding, self.padding
        missing = max((-(-n // self.stride) - 1) * self.stride + k - n, 0)
        return missing // 2, missing - missing // 2

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x_patches = patches(pad(x, self.pads), self.kernel, self.stride)
        y = self.x_patches @ self.as_matrix(self.W) + self.b
        return as_images(y, self.output_shape)

    def backward(self, dy: Array) -> Array:
        rows = as_rows(dy, self.output_shape)
        self.dW = (self.x_patches.mT @ rows).reshape(self.W.shape)
        self.db = rows.sum(axis=-2, keepdims=True)
        return self.turn(dy) if self.turns else self.scatter(rows)

    def as_matrix(self, W: Array) -> Array:
        """The kernel as the weights of a dense layer: (..., kh · kw · channels, filters)."""
        return W.reshape((*W.shape[: -self.axes - 2], -1, W.shape[-1]))

    def turn(self, dy: Array) -> Array:
        """dx as a convolution of dy with the kernel turned round, its inputs and outputs exchanged."""
        turned = xp.flip(self.W, tuple(range(-self.axes - 2, -2))).mT  # (..., kh, kw, filters, channels)
        rows = patches(pad(dy, self.turned_pads), self.kernel, 1)
        return as_images(rows @ self.as_matrix(turned), self.input_shape)

    def scatter(self, dy: Array) -> Array:
        """dx as the sum of what every patch receives, added up where the patch lay."""
        *space, channels = self.input_shape
        out = self.output_shape[:-1]
        received = dy @ self.as_matrix(self.W).mT
        received = received.reshape((*dy.shape[:-2], -1, *out, *self.kernel, channels))
        lead = received.shape[: -2 * self.axes - 1]
        dx = xp.zeros_like(received, shape=(*lead, *lengths(space, self.pads), channels))
        for place in itertools.product(*map(range, self.kernel)):
            under = (slice(i, i + self.stride * n, self.stride) for i, n in zip(place, out, strict=True))
            dx[(..., *under, slice(None))] += received[(..., *place, slice(None))]
        return dx[inside(space, self.pads)]


def lengths(space: Any, pads: Pads) -> Shape:
    return tuple(n + before + after for n, (before, after) in zip(space, pads, strict=True))


def inside(space: Any, pads: Pads) -> Any:
    """The index of the image within its padding."""
    return (..., *(slice(before, before + n) for n, (before, _) in zip(space, pads, strict=True)), slice(None))


def pad(x: Array, pads: Pads) -> Array:
    """x with zeros around it."""
    if not any(map(any, pads)):
        return x
    *lead, channels = x.shape
    space = [lead.pop() for _ in pads][::-1]
    padded = xp.zeros_like(x, shape=(*lead, *lengths(space, pads), channels))
    padded[inside(space, pads)] = x
    return padded


def patches(x: Array, kernel: Shape, stride: int) -> Array:
    """(..., batch, *space, channels) → (..., patches of the batch, numbers of a patch): all patches, one to a row."""
    axes = len(kernel)
    view = sliding_windows(x, kernel, tuple(range(-axes - 1, -1)))  # (..., batch, *out, channels, *kernel)
    view = view[(..., *[slice(None, None, stride)] * axes, *[slice(None)] * (axes + 1))]
    view = xp.moveaxis(view, -axes - 1, -1)
    return view.reshape((*view.shape[: -2 * axes - 2], -1, math.prod(view.shape[-axes - 1 :])))


@settings
class Conv1D(Convolution):
    """The same weights at every place of a signal (Waibel et al. 1989).

    y[i] = Σ over places p of the kernel: x[i · stride + p − before] W[p] + b
    dW[p] = Σ over batch and i: x[i · stride + p − before]ᵀ dy[i]        db = Σ dy
    dx[j] = Σ over i, p with i · stride + p − before = j: dy[i] W[p]ᵀ

    x (..., batch, length, channels) · W (kernel_size, channels, filters) · b (1, filters)
    y (..., batch, (length + zeros − kernel_size) // stride + 1, filters).

    See Conv2D for padding and for what others call it.
    """

    filters: Filters
    kernel_size: Kernel
    padding: Padding = "same"
    stride: Stride = 1
    weight_init: Init = MSRA()
    bias_init: Init = Zeros()

    axes = 1


@settings
class Conv2D(Convolution):
    """The same weights at every place of an image (LeCun et al. 1989).

    y[i, j] = Σ over places (p, q) of the kernel: x[i · stride + p − above, j · stride + q − left] W[p, q] + b
    dW[p, q] = Σ over batch, i, j: (x there)ᵀ dy[i, j]        db = Σ dy
    dx = Σ over all patches that a position of x is part of: dy[i, j] W[p, q]ᵀ

    x (..., batch, height, width, channels) · W (kh, kw, channels, filters) · b (1, filters)
    y (..., batch, (height + zeros − kh) // stride + 1, …, filters). kernel_size: one number, or (kh, kw).

    The kernel is not turned round: strictly a correlation, as in every deep learning library. padding="same" gives
    ⌈height / stride⌉ rows; an odd zero goes below and to the right (Keras; PyTorch has it for stride 1 only). A number
    puts so many zeros on every side (PyTorch; its weights are (filters, channels, kh, kw), ours Keras').
    """

    filters: Filters
    kernel_size: Kernel
    padding: Padding = "same"
    stride: Stride = 1
    weight_init: Init = MSRA()
    bias_init: Init = Zeros()

    axes = 2
