"""The same jobs elsewhere, one file for each library. It may be missing: then it is reported as not installed.

    candidates(job)     yields (name, run) for what the library can do of the job; run() gives the losses of a training,
                        or their mean, or None where they cannot be ours, since it starts from numbers of its own

Each is used as its authors would, at its best: one thread, float32 where it has that, no reading of losses between
steps, no loader of data.
"""

import importlib
import sys

# file → what to install
PACKAGES = {
    "in_pytorch": "torch",
    "in_jax": "jax",
    "in_keras": "keras",
    "in_sklearn": "scikit-learn",
    "in_thinc": "thinc",
    "in_dezero": "dezero",
    "in_numpy_ml": "numpy-ml",
}


def installed(only=None):
    """The modules whose library is here; the others are named."""
    found = []
    for name, package in PACKAGES.items():
        if only is None or package in only:
            try:
                found.append(importlib.import_module(f"peers.{name}"))
            except ImportError as missing:
                print(f"{package}: not measured ({missing})", file=sys.stderr)
    return found
