"""What stands in a worker for packages that are not there: they can be imported, and say so when they are used.

A notebook that begins with `import dlcourse as dl` or draws a picture somewhere is still read to its end.
"""

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any, NoReturn

NAMES = {"dlcourse", "matplotlib", "scipy", "sklearn", "ipywidgets", "IPython", "tqdm", "pandas"}


class Absent:
    """A name out of an absent package. Whoever uses it is told."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, name: str) -> "Absent":
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self._name}.{name}")

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        package = self._name.partition(".")[0]
        raise ModuleNotFoundError(f"{self._name} is not there while grading. Do without {package}; NumPy is there.")


class Module(types.ModuleType):
    def __getattr__(self, name: str) -> Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self.__name__}.{name}")


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, names: set[str]):
        self.names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        known = fullname.partition(".")[0] in self.names
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True) if known else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def hide(names: set[str]) -> None:
    """From now on these packages are absent, even if some of their files were imported before."""
    for loaded in list(sys.modules):
        if loaded.partition(".")[0] in names:
            del sys.modules[loaded]
    sys.meta_path.insert(0, Finder(names))
