"""Penalties: what a weight costs, added to the loss. Simple → hard.

    value = regularizer.penalty(parameters)     what the weights cost: one number, or one per lane
    regularizer.add_gradient(parameters)        grad ← grad + d(value)/dθ, in place

Only weights pay: biases, gains and shifts do not, nor does what is frozen (`parameters.decay_mask`). A penalty
reaches θ through the gradient, so the optimizer scales and remembers it like the rest. Weight decay, which
shrinks θ behind the optimizer's back, is a setting of AdamW and SGDW; the two agree for plain SGD only.

λ = strength, a number or a (lanes, 1) column; w: the weights in θ.
"""

from typing import Annotated, Any

from dlcourse.backend import Array, xp
from dlcourse.parameters import Parameters
from dlcourse.settings import check_columns, not_negative, settings

Strength = Annotated[Any, not_negative, "1e-4 is a cautious start; a (lanes, 1) column gives each lane its own."]


class Regularizer:
    """The interface of every penalty."""

    def penalty(self, parameters: Parameters) -> Array:
        raise NotImplementedError

    def add_gradient(self, parameters: Parameters) -> None:
        raise NotImplementedError


@settings
class L1(Regularizer):
    """The sum of absolute values: the same pull on every weight (Tibshirani 1996). Small ones go towards zero, and
    step back and forth across it; exactly zero they become by shrinkage.soft_threshold.

    value = λ Σ |w|
    grad ← grad + λ sign(w)          sign(0) = 0
    """

    strength: Strength

    def penalty(self, parameters: Parameters) -> Array:
        check_columns(self, parameters.theta)
        w = parameters.theta * parameters.decay_mask
        return (self.strength * xp.abs(w).sum(axis=-1, keepdims=True))[..., 0]

    def add_gradient(self, parameters: Parameters) -> None:
        check_columns(self, parameters.theta)
        w = parameters.theta * parameters.decay_mask
        parameters.grad += self.strength * xp.sign(w)


@settings
class L2(Regularizer):
    """The sum of squares: a pull in proportion, so large weights pay most (Hoerl & Kennard 1970, ridge).

    value = λ Σ w²
    grad ← grad + 2λw

    Mind the 2. Keras' `L2(λ)` is this one. PyTorch's and Caffe's `weight_decay=λ` adds λw, the gradient of
    ½λ Σ w²: the same penalty is L2(λ/2) here.
    """

    strength: Strength

    def penalty(self, parameters: Parameters) -> Array:
        check_columns(self, parameters.theta)
        w = parameters.theta * parameters.decay_mask
        return (self.strength * (w**2).sum(axis=-1, keepdims=True))[..., 0]

    def add_gradient(self, parameters: Parameters) -> None:
        check_columns(self, parameters.theta)
        w = parameters.theta * parameters.decay_mask
        parameters.grad += 2 * self.strength * w


@settings
class ElasticNet(Regularizer):
    """Both at once (Zou & Hastie 2005): zeros from L1, and L2's even hand among weights that do the same work.

    value = λ₁ Σ |w| + λ₂ Σ w²
    grad ← grad + λ₁ sign(w) + 2λ₂w
    """

    l1: Strength
    l2: Strength

    def penalty(self, parameters: Parameters) -> Array:
        return L1(self.l1).penalty(parameters) + L2(self.l2).penalty(parameters)

    def add_gradient(self, parameters: Parameters) -> None:
        L1(self.l1).add_gradient(parameters)
        L2(self.l2).add_gradient(parameters)
