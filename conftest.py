"""Before NumPy is there: tests and notebooks compute on one thread, as in `dlcourse lab`.

Small products wait longer for a second thread than it saves, above all where others want the cores too.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
