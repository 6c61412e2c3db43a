"""NumPy or CuPy behind one name, `xp`.

    from dlcourse.backend import xp
    xp.exp(x)                       # numpy.exp or cupy.exp, whichever is in use

Everything a network computes goes through `xp`, so the same lines run on a processor and on a GPU.
`use("cupy")` switches, `use("auto")` takes the GPU where there is one, and `DLCOURSE_BACKEND=cupy` in the
environment chooses before the first line runs. Build networks after switching: their arrays stay where they
were made. Pictures and files take host arrays: `to_host(array)` brings one back.
"""

import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from dlcourse.settings import refuse

BACKENDS = ("numpy", "cupy", "numba")
Array = Any  # numpy.ndarray or cupy.ndarray


class BackendError(RuntimeError, ImportError):
    """The backend asked for is not to be had on this machine."""


xp: Any = ModuleType("dlcourse.backend.xp")  # a module, because Python looks names up in one fastest


def first_look(name: str) -> Any:
    """Until somebody chooses a backend, the environment does: at the first name that is looked up in xp."""
    if name.startswith("__") or "backend_name" in xp.__dict__:
        raise AttributeError(f"module {xp.__dict__.get('backend_name')!r} has no attribute {name!r}")
    use(os.environ.get("DLCOURSE_BACKEND", "numpy"))
    return getattr(xp, name)


xp.__getattr__ = first_look


def use(name: str) -> str:
    """Switch to "numpy", "cupy", "numba", or "auto": CuPy where there is a GPU for it, NumPy elsewhere.

    "numba" is NumPy, and training steps that Numba compiles in the background: the results are the same within
    rounding, not to the last bit. A network built with the one may be used with the other.

    Returns the name of the backend now in use. Raises BackendError, saying what to install, if there is no such thing
    here.
    """
    if name == "auto":
        name = "numpy" if why_no_gpu() else "cupy"
    if name not in BACKENDS:
        refuse("use.name", 'be "numpy", "cupy", "numba" or "auto"', name, "NumPy works everywhere.")
    if name == "cupy" and (reason := why_no_gpu()):
        raise BackendError(f'use("cupy") must find CuPy and a GPU; {reason} NumPy works meanwhile: use("numpy").')
    if name == "numba" and (reason := why_no_numba()):
        raise BackendError(f'use("numba") must find Numba; {reason} NumPy works meanwhile: use("numpy").')
    home = "numpy" if name == "numba" else name
    module = importlib.import_module(home)
    xp.__dict__.clear()
    xp.__dict__.update(vars(module), __getattr__=first_look, backend_name=home, compiles=name == "numba")
    return name


@contextmanager
def using(name: str) -> Iterator[str]:
    """Inside `with using("cupy"):` that backend is in use; afterwards the one before is again."""
    before = "numba" if xp.compiles else xp.backend_name
    try:
        yield use(name)
    finally:
        use(before)


def why_no_gpu() -> str | None:
    """Why CuPy cannot be used here, as a sentence that says what to do; None where it can."""
    try:
        cupy: ModuleType = importlib.import_module("cupy")
    except ImportError as error:
        return f"CuPy cannot be imported ({error}). Install it: pip install 'dlcourse[gpu]'."
    try:
        return None if cupy.cuda.runtime.getDeviceCount() else "CuPy sees no GPU. Check the driver: nvidia-smi."
    except Exception as error:  # CuPy has its own error types, one for each way a driver can be missing
        return f"CuPy finds no usable GPU ({error}). Check the driver: nvidia-smi."


def why_no_numba() -> str | None:
    """Why Numba cannot be used here, as a sentence that says what to do; None where it can."""
    for name in ("numba", "scipy"):  # Numba's products are SciPy's BLAS
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed. Install it: pip install 'dlcourse[fast]'."
    return None


def to_host(array: Any) -> np.ndarray:
    """The array as NumPy's: itself if it is one, a copy if it lives on a GPU. Refuses masked values."""
    if isinstance(array, np.ma.MaskedArray):
        if np.ma.is_masked(array):
            hidden = int(np.ma.count_masked(array))
            refuse(
                "dlcourse.array", "hold no masked values", f"{hidden} masked", "Fill them, or leave those examples out."
            )
        return array.data
    if isinstance(array, np.ndarray):
        return array
    if type(array).__module__.partition(".")[0] == "cupy":
        return importlib.import_module("cupy").asnumpy(array)
    return np.asarray(array)


def to_device(array: Any, dtype: Any = None) -> Array:
    """The array where the backend in use computes, in `dtype` if one is given. No copy if it is there already."""
    if getattr(array, "recording", False):  # an array of the machine room, see recording/
        return array if dtype is None else array.astype(dtype)
    if xp.backend_name == "numpy" or isinstance(array, np.ma.MaskedArray):
        array = to_host(array)
    return xp.asarray(array, dtype)


def floating(x: Any) -> Array:
    """x on the device, in floating-point numbers: as it is if it holds them already."""
    if getattr(getattr(x, "dtype", None), "kind", "") == "f" and not isinstance(x, np.ma.MaskedArray):
        return x
    x = to_device(x)
    return x if x.dtype.kind == "f" else x.astype(float)


def is_array(value: object) -> bool:
    """True for an array of any backend, False for a plain number."""
    return hasattr(value, "dtype") and getattr(value, "ndim", 0) > 0


def scipy(part: str) -> Any:
    """`scipy.<part>` for the backend in use: SciPy has it for NumPy's arrays, cupyx for those on a GPU."""
    return importlib.import_module(f"scipy.{part}" if xp.backend_name == "numpy" else f"cupyx.scipy.{part}")


def erf(x: Array) -> Array:
    """The error function, which NumPy lacks."""
    return scipy("special").erf(x)


def sliding_windows(x: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """All windows of this shape onto axes of x, as a view: their axes come last. (CuPy has `as_strided` only.)"""
    if xp.backend_name == "numpy":
        return np.lib.stride_tricks.sliding_window_view(x, shape, axes)
    places = list(x.shape)
    for axis, length in zip(axes, shape, strict=True):
        places[axis] -= length - 1
    strides = (*x.strides, *(x.strides[axis] for axis in axes))
    return xp.lib.stride_tricks.as_strided(x, (*places, *shape), strides)


def norm(x: Array, axis: int | tuple[int, ...]) -> Array:
    """√Σx² along axis, which stays as an axis of length 1. No square overflows; what is not finite stays so.

    (`xp.linalg.norm` would add up one lane in another order than many.)
    """
    if not x.size:
        return xp.sqrt((x * x).sum(axis=axis, keepdims=True))
    largest = xp.abs(x).max(axis=axis, keepdims=True)
    unit = xp.where(xp.isfinite(largest) & (largest > 0), largest, 1).astype(x.dtype)
    scaled = x / unit
    return unit * xp.sqrt((scaled * scaled).sum(axis=axis, keepdims=True))
