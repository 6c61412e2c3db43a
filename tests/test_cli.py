"""The command line: every mistake gets one clear sentence, and the server is never open to others."""

import os
import signal
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from dlcourse import __version__, doctor, server
from dlcourse.cli import main
from dlcourse.workspace import START_PAGE

ROOT = Path(__file__).parent.parent


def dlcourse(*args: object) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "dlcourse", *map(str, args)]
    return subprocess.run(call, capture_output=True, text=True, timeout=60, cwd=ROOT)


def assert_one_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1
    assert done.stderr.startswith("dlcourse: ")
    assert done.stderr.count("\n") == 1
    assert "must" in done.stderr
    assert "got" in done.stderr
    for word in words:
        assert word in done.stderr


def test_version_is_the_packages():
    assert dlcourse("--version").stdout == f"dlcourse {__version__}\n"


def test_command_imports_nothing_heavy():
    heavy = "{'IPython', 'ipywidgets', 'jupyter_client', 'jupyterlab', 'matplotlib', 'scipy', 'sklearn'}"
    program = f"import sys, dlcourse.cli; print(sorted({heavy} & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True, cwd=ROOT) == "[]\n"


@pytest.mark.parametrize("place", [".", "notebooks", "dlcourse/inside"])
def test_lab_refuses_the_courses_own_files(place):
    assert_one_sentence(dlcourse("lab", place), "outside the course's own files", "Give another one")


def test_lab_refuses_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    assert_one_sentence(dlcourse("lab", tmp_path / "file"), "must be a folder you can write to")


def test_lab_refuses_a_folder_it_cannot_make(tmp_path):
    (tmp_path / "file").write_text("")  # permissions would not stop root; a file in the way does
    assert_one_sentence(dlcourse("lab", tmp_path / "file" / "below"), "must be a folder you can write to")


def test_lab_refuses_a_folder_it_may_not_write_to(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert main(["lab", str(tmp_path)]) == 1
    assert "(not writable)" in capsys.readouterr().err


def test_lab_refuses_a_taken_port_before_it_copies_anything(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_one_sentence(dlcourse("lab", tmp_path / "mine", "--port", port), "free port", f"port={port}")
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("port", [-1, 65536])
def test_lab_refuses_what_is_no_port(port, tmp_path):
    assert_one_sentence(dlcourse("lab", tmp_path, f"--port={port}"), f"port={port}")


def test_lab_without_jupyterlab_says_how_to_install_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "jupyterlab", None)  # what an absent package looks like to find_spec
    assert main(["lab", str(tmp_path / "mine")]) == 1
    error = capsys.readouterr().err
    assert "-m pip install jupyterlab" in error
    assert error.count("\n") == 1


def test_server_listens_on_this_machine_only_and_keeps_jupyters_token(tmp_path):
    call = server.command(tmp_path)
    assert "--ServerApp.ip=127.0.0.1" in call
    assert f"--ServerApp.root_dir={tmp_path}" in call
    assert not [word for word in call if "token" in word or "password" in word]


def test_server_with_a_port_takes_that_one_or_none(tmp_path):
    assert {"--ServerApp.port=9", "--ServerApp.port_retries=0"} <= set(server.command(tmp_path, port=9))
    assert not [word for word in server.command(tmp_path) if word.startswith("--ServerApp.port")]


def test_server_runs_as_root_only_for_root(tmp_path, monkeypatch):
    for user, allowed in ((0, True), (1000, False)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        assert ("--allow-root" in server.command(tmp_path)) is allowed


def test_server_environment_gives_kernels_one_thread_unless_told_otherwise(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "elsewhere")
    environment = server.environment()
    assert (environment["OMP_NUM_THREADS"], environment["OPENBLAS_NUM_THREADS"]) == ("7", "1")
    assert environment["JUPYTER_CONFIG_PATH"] == f"{server.OFFLINE}{os.pathsep}elsewhere"


def test_copy_is_lab_without_a_server(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(server, "run", None)
    assert main(["copy", str(tmp_path / "mine")]) == 0
    assert "files copied" in capsys.readouterr().out
    assert (tmp_path / "mine" / START_PAGE).exists()
    assert main(["copy", str(server.OFFLINE)]) == 1
    assert "outside the course's own files" in capsys.readouterr().err


def test_ctrl_c_ends_with_the_shells_code(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda folder: signal.raise_signal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job is started deaf to it
    try:
        assert main(["doctor"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)


def test_doctor_finds_this_environment_fit_for_the_course():
    done = dlcourse("doctor")
    assert done.returncode == 0, done.stdout
    assert not done.stderr
    assert all(line.startswith(("✓ ", "– ")) for line in done.stdout.splitlines())


def marks(check) -> str:
    return "".join(finding.mark for finding in check)


def test_doctor_names_a_missing_package(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no-such-package"))
    first, second = doctor.packages()
    assert first.text == f"numpy {metadata.version('numpy')}"
    assert second.mark == "✗"
    assert "-m pip install no-such-package" in second.text


def test_doctor_sees_a_front_end_that_is_absent_or_switched_off(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "WIDGETS", {"anywidget": "anywidget", "ghost": "ghost"})
    assert marks(doctor.widgets()) == "✓✗"
    (tmp_path / "labconfig").mkdir()
    page = tmp_path / "labconfig" / "page_config.json"
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    for disabled in ('["anywidget"]', '{"anywidget": true}', '{"anywidget:plugin": true}'):
        page.write_text(f'{{"disabledExtensions": {disabled}}}')
        assert marks(doctor.widgets()) == "✗✗"


def test_doctor_sees_a_kernel_of_another_python(monkeypatch, tmp_path):
    kernel = tmp_path / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text('{"argv": ["/elsewhere/python"], "display_name": "x", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert marks(doctor.kernel()) == "✗"


def test_doctor_looks_for_the_folder_without_making_it(tmp_path):
    assert marks(doctor.learners_folder(tmp_path / "a" / "b")) == "✓"
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("")
    assert marks(doctor.learners_folder(tmp_path / "file")) == "✗"


def test_doctor_outlives_a_check_that_fails(monkeypatch, capsys, tmp_path):
    def fails():
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(doctor, "kernel", fails)
    assert main(["doctor", str(tmp_path)]) == 1
    assert "✗ kernel: the check itself failed (RuntimeError: unforeseen)" in capsys.readouterr().out


def test_doctor_treats_a_program_that_fails_or_is_absent_alike():
    assert doctor._answer([sys.executable, "-c", "print('yes')"]) == "yes"
    assert doctor._answer([sys.executable, "-c", "raise SystemExit(3)"]) is None
    assert doctor._answer(["no-such-program"]) is None
