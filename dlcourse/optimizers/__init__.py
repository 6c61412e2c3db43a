"""How theta moves. One rule, one class, simple → hard; read the files in this order.

    base                what every rule shares: start, step, the rate, lanes
    momentum            SGD, Momentum, Nesterov: one rate for all of theta
    adaptive            AdaGrad, RMSProp, AdaDelta, Adam, AMSGrad, Nadam: a rate for every number in it
    decoupled           SGDW, AdamW: weights that shrink by themselves
    natural_gradient    ANGD: the curvature of what the network says

    optimizer.start(theta)                      forget everything; step 0 comes next
    theta = optimizer.step(theta, grad)         one step down

theta is any array, a network's whole vector or a point in the plane, and is changed in place; a plain float
is returned anew. So the same lines train a network, train many lanes of it, and draw a path on a surface.

In the formulas θ is theta, g is grad, η is lr, the learning rate at this step; t counts steps from 1.
"""

from dlcourse.optimizers.adaptive import AdaDelta, AdaGrad, Adam, AMSGrad, Nadam, RMSProp
from dlcourse.optimizers.base import Optimizer
from dlcourse.optimizers.decoupled import SGDW, AdamW
from dlcourse.optimizers.momentum import SGD, Momentum, Nesterov
from dlcourse.optimizers.natural_gradient import ANGD

__all__ = [
    "ANGD", "SGD", "SGDW", "AMSGrad", "AdaDelta", "AdaGrad", "Adam", "AdamW", "Momentum", "Nadam", "Nesterov",
    "Optimizer", "RMSProp",
]  # fmt: skip
