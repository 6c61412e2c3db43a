"""dlcourse: training deep networks, from scratch, in code to read. `import dlcourse as dl`."""

from importlib import import_module as _import_module
from typing import Any as _Any

# before NumPy: how many threads it may take
from dlcourse import kernel as _kernel

_kernel.settle()

# the array module behind everything
from dlcourse.backend import to_host, use, using
from dlcourse.settings import SettingError

# where theta starts
from dlcourse.initializers import (
    MSRA, Constant, Gaussian, Orthogonal, PositiveUnitball, Sparse, TruncatedGaussian, Uniform, Xavier, Zeros, fans,
    lsuv,
)  # fmt: skip

# what a network is made of
from dlcourse.layers import (
    GELU, AveragePool2D, BatchNorm, Conv1D, Conv2D, Dense, DropConnectDense, Dropout, Flatten, GlobalAveragePool2D,
    GroupNorm, LayerNorm, LeakyReLU, MaxPool2D, ReLU, Residual, Sigmoid, Tanh, WeightNormDense,
)  # fmt: skip
from dlcourse.network import Network

# how wrong a prediction is
from dlcourse.losses import Hinge, MeanSquaredError, SoftmaxCrossEntropy

# how theta moves
from dlcourse.optimizers import (
    ANGD, SGD, SGDW, AdaDelta, AdaGrad, Adam, AdamW, AMSGrad, Momentum, Nadam, Nesterov, RMSProp,
)  # fmt: skip

# how fast, as a function of the step
from dlcourse.schedules import (
    CosineDecay, CosineDecayRestarts, ExponentialDecay, InverseTimeDecay, LinearCosineDecay, NaturalExponentialDecay,
    NoisyLinearCosineDecay, OneCycle, PiecewiseConstantDecay, PolynomialDecay, ReduceOnPlateau, Warmup,
)  # fmt: skip

# what keeps it in bounds
from dlcourse.augmentation import (
    ColorJitter, Compose, HorizontalFlip, RandomCrop, RandomRotation, RandomZoom, tint,
)  # fmt: skip
from dlcourse.clipping import clip_by_norm, clip_by_value
from dlcourse.constraints import MaxNorm, UnitNorm
from dlcourse.regularizers import L1, L2, ElasticNet

# training
from dlcourse.history import History
from dlcourse.saving import load_optimizer
from dlcourse.stopping import EarlyStopping
from dlcourse.training import fit, training_steps

# more than one network
from dlcourse.ensembles import Ensemble, average_weights, snapshot_ensemble, train_members
from dlcourse.sweeps import sweep

# looking inside
from dlcourse.curvature import largest_curvature
from dlcourse.diagnostics import activation_statistics, check_gradient, learning_rate_range_test
from dlcourse.recording import operations
from dlcourse.source import show_source
from dlcourse.surfaces import newton_path

__version__ = "0.1.0"

__all__ = [
    "ANGD", "GELU", "L1", "L2", "MSRA", "SGD", "SGDW", "AMSGrad", "AdaDelta", "AdaGrad", "Adam", "AdamW",
    "AveragePool2D", "BatchNorm", "ColorJitter", "Compose", "Constant", "Conv1D", "Conv2D", "CosineDecay",
    "CosineDecayRestarts", "Dense", "DropConnectDense", "Dropout", "EarlyStopping", "ElasticNet", "Ensemble",
    "ExponentialDecay", "Flatten", "Gaussian", "GlobalAveragePool2D", "GroupNorm", "Hinge", "History",
    "HorizontalFlip", "InverseTimeDecay", "Lab", "LayerNorm", "LeakyReLU", "LinearCosineDecay", "MaxNorm",
    "MaxPool2D", "MeanSquaredError", "Momentum", "Nadam", "NaturalExponentialDecay", "Nesterov", "Network",
    "NoisyLinearCosineDecay", "OneCycle", "Orthogonal", "PiecewiseConstantDecay", "PolynomialDecay",
    "PositiveUnitball", "RMSProp", "RandomCrop", "RandomRotation", "RandomZoom", "ReLU", "ReduceOnPlateau", "Report",
    "Residual", "SettingError", "Sigmoid", "SoftmaxCrossEntropy", "Sparse", "Tanh", "TruncatedGaussian",
    "Uniform", "UnitNorm", "Warmup", "WeightNormDense", "Xavier", "Zeros", "activation_statistics",
    "average_weights", "check", "check_gradient", "checks", "clip_by_norm", "clip_by_value", "datasets", "fans",
    "fit", "labs", "largest_curvature", "learning_rate_range_test", "load_optimizer", "lsuv", "newton_path",
    "operations", "plots", "show_source", "snapshot_ensemble", "surfaces", "sweep", "theory", "tint", "to_host",
    "train_members", "training_steps", "trial", "trials", "use", "using",
]  # fmt: skip

# Names that bring matplotlib or ipywidgets along are fetched when first asked for.
_LAZY = {
    "Lab": "dlcourse.labs", "Report": "dlcourse.checks", "check": "dlcourse.checks",
    "checks": "", "datasets": "", "labs": "", "plots": "", "surfaces": "", "theory": "", "trial": "dlcourse.trials",
    "trials": "",
}  # fmt: skip


def __getattr__(name: str) -> _Any:
    if name not in _LAZY:
        raise AttributeError(f"dlcourse has no name {name!r}. It has: {', '.join(__all__)}.")
    home = _LAZY[name]
    value = getattr(_import_module(home), name) if home else _import_module(f"dlcourse.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
