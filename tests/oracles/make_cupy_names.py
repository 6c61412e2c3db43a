"""Writes cupy_names.json: what CuPy offers. Run with CuPy installed; no GPU is needed."""

import json
from pathlib import Path

import cupy
import numpy as np

names = {
    "made_with": [f"cupy {cupy.__version__}", f"numpy {np.__version__}"],
    "cupy": sorted(n for n in dir(cupy) if not n.startswith("_") and hasattr(np, n)),
    "ndarray": sorted(n for n in dir(cupy.ndarray) if not n.startswith("_") and hasattr(np.ndarray, n)),
}
Path(__file__).with_name("cupy_names.json").write_text(json.dumps(names, indent=0) + "\n")
