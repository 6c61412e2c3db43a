"""Settings that make labs quick hold in every kernel, whoever started it; a script keeps its own."""

import os
import subprocess
import sys

import pytest

from dlcourse import kernel

REPORT = """
import os, threadpoolctl
threads = {pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
print(max(threads), os.environ.get("JUPYTER_WIDGETS_ECHO"), os.environ.get("OMP_NUM_THREADS"))
"""


def imported(*lines, **given):
    """What a new Python says after these lines."""
    environment = {name: value for name, value in os.environ.items() if name not in kernel.ENVIRONMENT} | given
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines) + REPORT], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


IN_A_KERNEL = "import sys, types; sys.modules['ipykernel'] = types.ModuleType('ipykernel')"


@pytest.mark.parametrize("first", ["", "import numpy"], ids=["dlcourse first", "numpy first"])
def test_a_kernel_computes_on_one_thread_and_echoes_nothing(first):
    assert imported(IN_A_KERNEL, first, "import dlcourse", "import numpy") == ["1", "0", "1"]


def test_what_is_set_stays():
    given = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "JUPYTER_WIDGETS_ECHO": "1"}
    assert imported(IN_A_KERNEL, "import dlcourse", **given) == [str(min(2, os.cpu_count() or 1)), "1", "2"]


def test_a_script_keeps_its_own():
    assert imported("import dlcourse") == imported("import numpy")


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's business")
def test_glibc_takes_the_settings():
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    code = "import ctypes, dlcourse.kernel as k; m = ctypes.CDLL(None).mallopt; "
    code += "print([m(k.MALLOPT[name], int(value)) for name, value in k.KEEP_MEMORY.items()])"
    if mallopt:
        assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[1, 1]"
