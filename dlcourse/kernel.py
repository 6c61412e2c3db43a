"""What a kernel needs to train fast and to draw soon, wherever it was started: by `dlcourse lab`, on a hub, in VS Code.

`dlcourse lab` puts ENVIRONMENT around its kernels. Elsewhere `import dlcourse` does what can still be done from inside
a running kernel. What somebody has set already stays; a script or a test is left alone.
"""

import contextlib
import os
import sys

# Small networks train fastest on one core: threads cost more to wake than they save.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# glibc gives a large array's memory back as soon as it is free, and a training step asks for it again at once:
# up to seven times slower from some 40,000 weights on. Elsewhere these names mean nothing.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**28), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
MALLOPT = {"MALLOC_TRIM_THRESHOLD_": -1, "MALLOC_MMAP_THRESHOLD_": -3}  # the same by number, in glibc's malloc.h
# The kernel need not repeat every slider value to the page that sent it: the picture gets there sooner.
NO_ECHO = {"JUPYTER_WIDGETS_ECHO": "0"}
ENVIRONMENT = ONE_THREAD | KEEP_MEMORY | NO_ECHO

limits: object = None  # of threads, for as long as the kernel lives


def settle() -> None:
    """Called when dlcourse is imported."""
    if "ipykernel" not in sys.modules:
        return
    given = set(ENVIRONMENT) & os.environ.keys()
    for name in {**ONE_THREAD, **NO_ECHO}.keys() - given:  # for what is not imported yet
        os.environ[name] = ENVIRONMENT[name]
    if not ONE_THREAD.keys() & given:
        limit_threads()
    keep_memory(KEEP_MEMORY.keys() - given)


def limit_threads() -> None:
    """NumPy may be there already, with as many threads as there are cores."""
    global limits
    if "numpy" in sys.modules:
        with contextlib.suppress(Exception):  # a browser has no threads to count
            from threadpoolctl import threadpool_limits

            limits = threadpool_limits(1)


def keep_memory(names: set[str]) -> None:
    """mallopt, where the C library has it."""
    if sys.platform != "linux":
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        for name in names:
            mallopt(MALLOPT[name], int(KEEP_MEMORY[name]))
