"""On a Ray cluster a folder gives what it gives without one, whatever becomes of the workers."""

import contextlib
import functools
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ExitCode
from csakit.runtime import Inpainter
from csakit.runtime.batch import ray as ray_batch
from csakit.runtime.batch.job import Job
from csakit.runtime.batch.ray import RayPool, model_hashes
from csakit.runtime.batch.ray_cluster import RayOptions, Share, connected
from helpers.slow import slow
from PIL import Image

from .conftest import inpaint, settings

ray = pytest.importorskip("ray", reason="Ray is not installed")
NEEDED_BYTES = 200 << 20  # of shared memory: the object store, twice


# In a process of its own: what Ray leaves behind when it does not start would fail other tests.
CLUSTER = """
import sys, ray
from csakit.runtime.batch.ray_cluster import RayOptions, connected
with connected(RayOptions(address="local")):
    print(ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of this machine, as ``--ray local`` starts it; connected to."""
    if shutil.disk_usage("/dev/shm").free < NEEDED_BYTES:
        pytest.skip("/dev/shm is too small for Ray's object store")
    if (os.cpu_count() or 1) < 2:
        pytest.skip("two workers need two processors")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    pipe = subprocess.PIPE
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
        patch.delenv("RAY_AUTH_MODE", raising=False)  # Ray sets it
        patch.delenv("RAY_ADDRESS", raising=False)
        process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER], stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            address = process.stdout.readline().strip()
            if not address:
                reason = process.stderr.read()
                assert "timed out during startup" in reason
                pytest.skip("this machine is too busy: Ray did not start within its own limits")
            patch.setenv("RAY_ADDRESS", address)
            patch.setenv("RAY_AUTH_MODE", "token")
            ray._raylet.Config.initialize("")  # it has read the mode when it was imported
            with connected(RayOptions(address="auto")):
                yield address
            process.stdin.close()


def on_ray(work: Path, output: str, *arguments: str) -> int:
    return inpaint(work, output, "--ray", "auto", "--ray-workers", "2", *arguments)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def jobs_of(work: Path, count: int) -> Iterator[Job]:
    for index in range(count):
        yield Job(
            image=work / "images/00.png",
            mask=work / "mask.png",
            output=work / f"out/{index:04}.bmp",
        )


def workers() -> list[int]:
    """The processes of this test's actors."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cmdline").read_bytes().startswith(b"ray::Worker"):
                found.append(int(entry.name))
    return found


def test_files_lines_and_code_are_those_of_an_ordinary_run(
    cluster: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (work / "here").mkdir()
    for output in ("here", "there"):
        (work / output).mkdir(exist_ok=True)
        (work / output / "07.jpg").write_text("precious")
    options = ("--side-by-side", "--dilate", "2")

    expected = inpaint(work, "here", *options)
    plain = capsys.readouterr()
    code = on_ray(work, "there", *options)
    spread = capsys.readouterr()

    assert (code, expected) == (ExitCode.USAGE, ExitCode.USAGE)
    assert content(work / "there") == content(work / "here")
    lines = set(spread.err.replace("/there/", "/here/").splitlines())
    assert set(plain.err.splitlines()) <= lines
    extra = lines - set(plain.err.splitlines())
    late = "no worker is ready after 10 s"  # on a busy machine
    assert all(" per second" in line or late in line for line in extra)
    assert spread.out.startswith("22 repaired, 2 skipped, in ")


def test_a_killed_worker_is_replaced_and_its_images_are_done_again(
    cluster: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(24, 120):
        shutil.copy(work / "images/00.png", work / f"images/{index:03}.png")
    killed = []

    def kill() -> None:
        while len(list(work.glob("out/*"))) < 3:
            time.sleep(0.01)
        killed.append(workers()[0])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    code = on_ray(work, "out")
    killer.join(timeout=30)

    out, err = capsys.readouterr()
    assert code == ExitCode.USAGE
    assert out.startswith("119 repaired, 1 skipped")
    assert f"warning: worker {killed[0]} on {socket.gethostname()} ended and is replaced" in err
    written = sorted((work / "out").iterdir())
    assert len(written) == 119
    assert not [path for path in written if path.name.startswith(".csakit")]
    for path in written:
        with Image.open(path) as image:
            image.load()


class Deadly(Inpainter):
    """A model that kills its process on an image with a black corner."""

    def __call__(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        if not image[0, 0].any():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(image, mask)


@slow
def test_an_image_that_kills_workers_is_left_out(cluster: str, work: Path) -> None:
    Image.new("RGB", (128, 96)).save(work / "images/deadly.png")
    deadly = Job(
        image=work / "images/deadly.png", mask=work / "mask.png", output=work / "out/deadly.png"
    )
    pool = RayPool(
        settings(work, open_model=functools.partial(Deadly.open)), Share(workers=1, cpus=1, gpus=0)
    )
    jobs = [*jobs_of(work, 3), deadly]

    outcomes = {outcome.job: outcome for outcome in pool.repair_files(jobs)}

    assert set(outcomes) == set(jobs)
    assert [job for job in jobs if outcomes[job].problem is not None] == [deadly]
    assert "the worker ended twice while it repaired this" in str(outcomes[deadly].problem)


@slow
def test_jobs_are_taken_as_there_is_room_and_the_model_is_sent_where_it_is_not_seen(
    cluster: str, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_batch, "_CHUNK_MAX", 4)
    hashes = model_hashes(work / "model.onnx", RayOptions(address="auto"))
    assert hashes is not None
    elsewhere = {**hashes, "absent.bin": "0" * 64}  # so that no worker finds all of it
    pool = RayPool(settings(work, hashes=elsewhere), Share(workers=2, cpus=1, gpus=0))
    taken = itertools.count(1)
    drawn = 0

    def jobs() -> Iterator[Job]:
        nonlocal drawn
        for job in jobs_of(work, 150):
            drawn = next(taken)
            yield job

    most = 0
    for done, outcome in enumerate(pool.repair_files(jobs())):
        assert outcome.problem is None
        most = max(most, drawn - done)

    assert drawn == 150
    assert most <= 2 * 2 * 4 + 2
    assert sum(int(text.split()[4]) for text in pool.throughput()) == 150


def test_ctrl_c_ends_workers_and_resume_does_the_rest(
    cluster: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(24, 400):
        os.link(work / "images/00.png", work / f"images/{index:03}.png")
    program = f"""
import sys
from csakit.runtime.cli.inpaint import main
sys.exit(main([{str(work / "images")!r}, {str(work / "mask.png")!r}, "-o", {str(work / "out")!r},
    "--model", {str(work / "model.onnx")!r}, "--ray", "auto", "--ray-workers", "1"]))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and len(list(work.glob("out/*"))) < 3:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert err.splitlines()[-1] == "csakit inpaint: interrupted"
    assert "Traceback" not in err
    written = len(list((work / "out").iterdir()))
    assert 3 <= written < 399
    assert not list(work.glob("out/.csakit*"))
    assert on_ray(work, "out", "--resume") == ExitCode.USAGE
    out, _ = capsys.readouterr()
    assert out.startswith(f"{399 - written} repaired, 1 skipped, {written} done before")
