"""What no Ray cluster can be asked for is refused, and machines are divided among workers."""

import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins.errors import ContractError, CsakitError, ExitCode, LibraryError
from csakit.runtime import libraries
from csakit.runtime.batch.ray_cluster import RayOptions, share
from csakit.runtime.batch.ray_worker import Worker
from csakit.runtime.cli.inpaint import main

from .conftest import inpaint, settings

ray = pytest.importorskip("ray", reason="Ray is not installed")


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"version": "0.0.1"}, LibraryError, "but 0.0.1 where the command runs"),
        ({"folders": (Path("/absent"), Path("/"))}, ContractError, "/absent is not visible"),
        ({"folders": (Path("/"), Path("/gone"))}, ContractError, "out is not visible, or not the"),
    ],
)
def test_a_worker_that_would_do_something_else_names_its_machine(
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


def test_another_version_of_ray_is_reported_in_its_own_words(
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
