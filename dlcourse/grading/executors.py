"""Where tasks run: processes of this machine, or a Dask cluster. Either way a concurrent.futures.Executor."""

import ctypes
import multiprocessing
import os
import signal
import sys
from concurrent.futures import Executor, ProcessPoolExecutor

from dlcourse.workspace import UserError

PATIENCE = 20  # seconds for a scheduler to answer


def processes(jobs: int | None) -> Executor:
    """So many at a time; without a number, one for each core."""
    jobs = jobs or available_cores()
    spawn = multiprocessing.get_context("spawn")  # a copy of this process would hold what it holds, the secret among it
    return ProcessPoolExecutor(jobs, spawn, initializer=prepare, initargs=(os.getpid(),))


def available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare(parent: int) -> None:
    """A pool's process ends with the grader, however that ends, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)


def cluster(address: str) -> Executor:
    """The workers of a Dask scheduler, tcp://…; each needs dlcourse and a sandbox of its own."""
    try:
        from distributed import Client
    except ImportError:
        message = "--scheduler must find Dask; got no package distributed. Install it: pip install 'dlcourse[cluster]'."
        raise UserError(message) from None
    rule = f"--scheduler must be the address of a Dask scheduler that answers; got scheduler={address}"
    if "://" not in address:
        raise UserError(f"{rule}. It looks like tcp://10.0.0.5:8786.")
    try:
        return Client(address, timeout=PATIENCE, set_as_default=False).get_executor()
    except (OSError, ValueError, TimeoutError) as error:
        raise UserError(f"{rule} ({type(error).__name__}). Is it running, and is the port open?") from None


def end(pool: Executor) -> None:
    """Give up whatever is still under way: whoever interrupts does not want the rest."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False)
    for process in processes:
        process.kill()
    if client := getattr(pool, "_client", None):  # Dask's executor leaves the connection open
        client.close()
