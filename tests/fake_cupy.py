"""A stand-in for CuPy that needs no GPU: the same names, an array that refuses to meet NumPy's.

CuPy's array never becomes a NumPy array by itself and never mixes with one; Python numbers and NumPy scalars are
welcome. A computation that ends here without an error has never left `xp`. Names CuPy does not have are refused
too: `oracles/cupy_names.json` lists what the real package offers.
"""

import json
import operator
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import scipy.ndimage
import scipy.special

REAL = json.loads((Path(__file__).parent / "oracles" / "cupy_names.json").read_text())
REFUSAL = "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array."


class ndarray:
    """A device array. What it holds is hidden; `.get()` copies it out."""

    __module__ = "cupy"
    __array_ufunc__ = None  # so np.exp(array) and numpy_array * array are refused
    __hash__ = None

    def __init__(self, hidden):
        self._hidden = hidden

    def __array__(self, *args, **kwargs):
        raise TypeError(REFUSAL)

    def get(self):
        return self._hidden.copy()

    def __getattr__(self, name):
        if name.startswith("_") or name not in REAL["ndarray"]:
            raise AttributeError(f"cupy.ndarray has no attribute {name!r}")
        value = getattr(self._hidden, name)
        return on_device(value) if callable(value) else wrap(value)

    def __getitem__(self, key):
        return wrap(self._hidden[unwrap(key)])

    def __setitem__(self, key, value):
        self._hidden[unwrap(key)] = unwrap(value)

    def __len__(self):
        return len(self._hidden)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __repr__(self):
        return f"cupy {self._hidden!r}"


def unwrap(value):
    """What the device computes with: never a NumPy array that was not sent there explicitly."""
    if isinstance(value, ndarray):
        return value._hidden
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, tuple | list):
        return type(value)(unwrap(v) for v in value)
    return value


def wrap(value):
    if isinstance(value, np.ndarray):
        return ndarray(value)
    if isinstance(value, np.generic):
        return ndarray(np.asarray(value))  # CuPy's sums are arrays without axes
    if isinstance(value, tuple | list) and any(isinstance(v, np.ndarray) for v in value):
        return type(value)(wrap(v) for v in value)
    return value


def on_device(function):
    def call(*args, **kwargs):
        out = kwargs.get("out")
        result = function(*unwrap(args), **{k: unwrap(v) for k, v in kwargs.items()})
        if function.__name__ in ("item", "tolist"):
            return result
        return wrap(result) if out is None else out

    return call


COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")


def two_sided(name):
    def forward(self, other):
        if name not in COMPARISONS and isinstance(other, np.ndarray) and other.__array_ufunc__ is None:
            return NotImplemented  # CuPy leaves arithmetic, not comparisons, to operands that ask for it
        return wrap(getattr(operator, name)(self._hidden, unwrap(other)))

    def reflected(self, other):
        return wrap(getattr(operator, name)(unwrap(other), self._hidden))

    def in_place(self, other):
        in_place_operator = getattr(operator, "i" + name.rstrip("_"))
        self._hidden = in_place_operator(self._hidden, unwrap(other))
        return self

    return forward, reflected, in_place


for op in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor"):
    for prefix, method in zip(("", "r", "i"), two_sided(op.rstrip("_") if op == "xor" else op), strict=True):
        setattr(ndarray, f"__{prefix}{op.rstrip('_')}__", method)
for op in COMPARISONS:
    setattr(ndarray, f"__{op}__", two_sided(op)[0])
for op in ("neg", "pos", "abs", "invert"):
    setattr(ndarray, f"__{op}__", lambda self, op=op: wrap(getattr(operator, op)(self._hidden)))
for kind in (bool, int, float, complex, operator.index):
    name = f"__{getattr(kind, '__name__', kind)}__"
    setattr(ndarray, name, lambda self, kind=kind: kind(self._hidden))


def device_module():
    """`cupy`: those of NumPy's names that it has, its functions on the device."""
    cupy = ModuleType("cupy")
    for name in REAL["cupy"]:
        value = getattr(np, name, None)
        setattr(cupy, name, on_device(value) if callable(value) and not isinstance(value, type) else value)
    return cupy


def asarray(array, dtype=None, **kwargs):
    """The explicit way onto the device; a copy, unless the array is there already."""
    if isinstance(array, np.ndarray):
        array = array.copy()
    elif isinstance(array, ndarray):
        return array if dtype in (None, array.dtype) else wrap(array._hidden.astype(dtype))
    return ndarray(np.asarray(unwrap(array) if not isinstance(array, np.ndarray) else array, dtype))


def install(monkeypatch, devices=1):
    """Let `import cupy` find the stand-in, with so many GPUs."""
    cupy, special, ndimage = device_module(), ModuleType("cupyx.scipy.special"), ModuleType("cupyx.scipy.ndimage")
    cupy.ndarray, cupy.asarray, cupy.array = ndarray, asarray, asarray
    cupy.asnumpy = lambda array: array.get() if isinstance(array, ndarray) else np.asarray(array)
    cupy.get_array_module = lambda *arrays: cupy if any(isinstance(a, ndarray) for a in arrays) else np
    cupy.cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=lambda: devices))
    cupy.lib = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=on_device(np.lib.stride_tricks.as_strided)))
    special.erf = on_device(scipy.special.erf)
    ndimage.map_coordinates = on_device(scipy.ndimage.map_coordinates)
    modules = {"cupy": cupy, "cupyx": ModuleType("cupyx"), "cupyx.scipy": ModuleType("cupyx.scipy")}
    for name, module in {**modules, "cupyx.scipy.special": special, "cupyx.scipy.ndimage": ndimage}.items():
        monkeypatch.setitem(sys.modules, name, module)
    return cupy
