"""On a Ray cluster a folder gives what it gives without one, whatever becomes of the workers."""

import contextlib
import dataclasses
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
from typing import Any

import numpy as np
import pytest
from csakit.plugins.errors import ContractError, CsakitError, ExitCode, LibraryError
from csakit.plugins.versions import installed
from csakit.runtime import Inpainter, libraries
from csakit.runtime.batch import ray as ray_batch
from csakit.runtime.batch.job import FileOptions, Job
from csakit.runtime.batch.ray import RayPool, model_hashes
from csakit.runtime.batch.ray_cluster import RayOptions, Share, connected, share
from csakit.runtime.batch.ray_worker import Settings, Worker
from csakit.runtime.cli.inpaint import main
from helpers.slow import slow
from PIL import Image

from ..conftest import MakeModel

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


@pytest.fixture
def work(tmp_path: Path, photo: np.ndarray, make_model: MakeModel) -> Path:
    """A folder with a model, a mask and 24 small images, of which one is broken."""
    make_model()
    images = tmp_path / "images"
    images.mkdir()
    small = photo[:96, :128]
    for index in range(24):
        picture = Image.fromarray(np.roll(small, 5 * index, axis=1))
        picture.save(images / f"{index:02}.{('png', 'jpg', 'webp')[index % 3]}")
    (images / "03.png").write_bytes((images / "03.png").read_bytes()[:500])
    mask = np.zeros(small.shape[:2], np.uint8)
    mask[30:60, 40:80] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


def inpaint(work: Path, output: str, *arguments: str) -> int:
    paths = (str(work / "images"), str(work / "mask.png"), "-o", str(work / output))
    return main([*paths, "--model", str(work / "model.onnx"), *arguments])


def on_ray(work: Path, output: str, *arguments: str) -> int:
    return inpaint(work, output, "--ray", "auto", "--ray-workers", "2", *arguments)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def settings(work: Path, **changes: Any) -> Settings:  # noqa: ANN401
    (work / "out").mkdir(exist_ok=True)
    plain = Settings(
        open_model=Inpainter.open,
        model=work / "model.onnx",
        threads=1,
        cache=False,
        files=FileOptions(),
        folders=(work / "images", work / "mask.png", work / "out"),
        output=work / "out",
        here=None,
        cpus=1,
        hashes=None,
        version=installed("csakit"),
    )
    return dataclasses.replace(plain, **changes)


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


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"version": "0.0.1"}, LibraryError, "but 0.0.1 where the command runs"),
        ({"folders": (Path("/absent"), Path("/"))}, ContractError, "/absent is not visible"),
        ({"folders": (Path("/"), Path("/gone"))}, ContractError, "out is not visible, or not the"),
    ],
)
def test_a_worker_that_would_do_something_else_says_where_it_is(
    work: Path, change: dict[str, Any], kind: type[CsakitError], message: str
) -> None:
    refused = Worker().open(settings(work, **change), None)

    assert isinstance(refused, kind)
    assert str(refused).startswith(f"on {socket.gethostname()}: ")
    assert message in str(refused)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ray", "somewhere"), "must be local, auto or ray://HOST:PORT; got 'somewhere'"),
        (("--ray", "ray://host"), "must be local, auto or ray://HOST:PORT; got 'ray://host'"),
        (("--ray", "ray://host:99999"), "must be local, auto or ray://HOST:PORT"),
        (("--ray", "local", "--ray-workers", "0"), "Ray workers must be 1 to 10000; got 0"),
        (("--ray-workers", "2"), "--ray-workers needs --ray"),
        (("--ray-gpus-each", "0.5"), "--ray-gpus-each needs --ray"),
        (("--ray", "auto", "--ray-gpus-each", "1"), "for models on GPUs; add --device cuda"),
        (
            ("--ray", "auto", "--device", "cuda", "--ray-gpus-each", "1.5"),
            "a share up to 1, or a whole number; got 1.5",
        ),
        (("--ray", "auto", "--device", "cuda:1"), "use --device cuda instead of cuda:1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    work: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert inpaint(work, "out", *arguments) == ExitCode.USAGE
    assert message in capsys.readouterr().err


def test_one_image_needs_no_cluster(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = (str(work / "images/00.png"), str(work / "mask.png"), "-o", str(work / "a.png"))

    assert main([*paths, "--ray", "local"]) == ExitCode.USAGE
    assert capsys.readouterr().err == "csakit inpaint: --ray is for folders\n"


def test_without_ray_the_extra_is_named(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    assert inpaint(work, "out", "--ray", "local") == ExitCode.ENVIRONMENT
    assert "pip install 'csakit[ray]'" in capsys.readouterr().err
    assert not (work / "out").exists()


def test_an_address_that_nothing_listens_at_is_refused(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        assert inpaint(work, "out", "--ray", f"ray://{address}") == ExitCode.USAGE
        assert f"no Ray cluster can be reached at ray://{address}: " in capsys.readouterr().err
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert inpaint(work, "out", "--ray", "auto") == ExitCode.USAGE
        assert f"no Ray cluster can be reached at {address}: " in capsys.readouterr().err


def test_another_version_of_ray_is_told_in_its_own_words(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray._private.utils import check_version_info

    def init(*_: object, **__: object) -> None:
        check_version_info({"ray_version": "2.9.0", "python_version": "3.9.1"}, "Ray Client")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)

    assert inpaint(work, "out", "--ray", "auto") == ExitCode.ENVIRONMENT
    err = capsys.readouterr().err
    assert "The cluster was started with: Ray: 2.9.0 Python: 3.9.1" in err
    assert "Install the cluster's versions here, or these there." in err


@pytest.mark.parametrize(
    ("nodes", "options", "threads", "on_gpu", "expected"),
    [
        ([{"CPU": 8}], {}, None, False, (1, 8, 0)),
        ([{"CPU": 8}], {"workers": 3}, None, False, (3, 2, 0)),
        ([{"CPU": 8}, {"CPU": 4}, {"CPU": 0}], {}, None, False, (3, 4, 0)),
        ([{"CPU": 8}, {"CPU": 4}], {}, 2, False, (6, 2, 0)),
        ([{"CPU": 8, "GPU": 2}, {"CPU": 8}], {}, None, True, (2, 1, 1)),
        ([{"CPU": 8, "GPU": 2}], {"gpus_each": 0.25}, None, True, (8, 1, 0.25)),
        ([{"CPU": 8}], {"workers": 20}, None, False, (20, 1, 0)),  # more machines may come
    ],
)
def test_machines_are_divided_among_workers(
    monkeypatch: pytest.MonkeyPatch,
    nodes: list[dict[str, float]],
    options: dict[str, Any],
    threads: int | None,
    on_gpu: bool,
    expected: tuple[int, int, float],
) -> None:
    alive = [{"Alive": True, "Resources": resources} for resources in nodes]
    monkeypatch.setattr(ray, "nodes", lambda: [*alive, {"Alive": False, "Resources": {"CPU": 9}}])

    found = share(RayOptions(address="auto", **options), threads, on_gpu=on_gpu)

    assert (found.workers, found.cpus, found.gpus) == expected


@pytest.mark.parametrize(
    ("options", "on_gpu"),
    [({"address": "local", "workers": 3}, False), ({"address": "auto"}, True)],
)
def test_a_cluster_without_room_is_refused(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], on_gpu: bool
) -> None:
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 2}}])

    with pytest.raises(ContractError, match=r"there is room for \d Ray workers with .* each"):
        share(RayOptions(**options), None, on_gpu=on_gpu)


def test_ray_reports_to_nobody_unless_the_user_wishes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    libraries.import_ray()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    libraries.import_ray()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"
