"""dlcourse: training deep networks, from scratch, in code to read. `import dlcourse as dl`."""

from importlib import import_module as _import_module
from typing import Any as _Any

# the array module behind everything
from dlcourse.backend import to_host, use, using
from dlcourse.settings import SettingError

# where theta starts
from dlcourse.initializers import MSRA, Constant, Gaussian, Orthogonal, Uniform, Xavier, Zeros, fans

# what a network is made of
from dlcourse.layers import GELU, Dense, Flatten, LeakyReLU, ReLU, Sigmoid, Tanh
from dlcourse.network import Network

# how wrong a prediction is
from dlcourse.losses import MeanSquaredError, SoftmaxCrossEntropy

# how theta moves
from dlcourse.optimizers import SGD, Momentum, Nesterov

# training
from dlcourse.history import History
from dlcourse.training import fit, training_steps

# looking inside
from dlcourse.claims import judge
from dlcourse.diagnostics import check_gradient
from dlcourse.source import show_source
from dlcourse.surfaces import newton_path

__version__ = "0.1.0"

__all__ = [
    "GELU", "MSRA", "SGD", "Constant", "Dense", "Flatten", "Gaussian", "History", "Lab", "LeakyReLU",
    "MeanSquaredError", "Momentum", "Nesterov", "Network", "Orthogonal", "ReLU", "SettingError", "Sigmoid",
    "SoftmaxCrossEntropy", "Tanh", "Uniform", "Xavier", "Zeros", "check_gradient", "datasets", "fans", "fit",
    "judge", "labs", "newton_path", "plots", "show_source", "surfaces", "theory", "to_host",
    "training_steps", "use", "using",
]  # fmt: skip

# Names that bring matplotlib, scikit-learn or ipywidgets along are fetched when first asked for.
_LAZY = {"Lab": "dlcourse.labs", "labs": "", "plots": "", "datasets": "", "surfaces": "", "theory": ""}


def __getattr__(name: str) -> _Any:
    if name not in _LAZY:
        raise AttributeError(f"dlcourse has no name {name!r}. It has: {', '.join(__all__)}.")
    home = _LAZY[name]
    value = getattr(_import_module(home), name) if home else _import_module(f"dlcourse.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
