"""The library that an engine needs is found where it fits, and otherwise the text says why not."""

import json
from pathlib import Path
from typing import Any

import pytest
from csakit.export.serving.plugin import LIBRARY, plugin_need
from csakit.plugins.locations import source_hash
from helpers.engines import PLUGIN

from .conftest import manifest_for


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"any")
    return path


def hold(folder: Path, monkeypatch: pytest.MonkeyPatch, **record: Any) -> Path:  # noqa: ANN401
    """Write a library with its record, as ``csakit plugin build`` does."""
    stated = {
        "libraries": [LIBRARY],
        "source_hash": source_hash(),
        "architectures": ["sm_80", "sm_86"],
        "tensorrt": "10.13.3",
    }
    folder.mkdir()
    (folder / LIBRARY).write_bytes(b"a library")
    (folder / "build.json").write_text(json.dumps({**stated, **record}))
    monkeypatch.setenv("CSAKIT_LIBRARY", str(folder))
    return folder / LIBRARY


def test_a_library_that_fits_is_taken(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = hold(tmp_path / "lib", monkeypatch)

    need = plugin_need(manifest_for(model))

    assert need is not None
    assert (need.library, need.problem) == (library, "")


@pytest.mark.parametrize(
    ("held", "target", "fits"),
    [
        (["sm_80"], "sm_86", True),  # machine code of the same generation
        (["sm_86"], "sm_80", False),
        (["sm_86"], "sm_90", False),
        (["sm_80", "compute_90"], "sm_120", True),
        (["compute_100"], "sm_90", False),
        (["sm_90a"], "sm_90", True),  # and on 9.0 alone
        (["compute_90a"], "sm_100", False),
    ],
)
def test_kernels_run_on_newer_steps_of_their_generation_and_by_ptx(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    held: list[str],
    target: str,
    fits: bool,
) -> None:
    hold(tmp_path / "lib", monkeypatch, architectures=held)

    need = plugin_need(manifest_for(model, build={"targets": (target,)}))

    assert need is not None
    assert (need.library is not None) == fits
    assert fits or f"is built for {', '.join(held)}; the engine is for {target}" in need.problem


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"tensorrt": "11.1.0"}, "headers of TensorRT 11.1.0; the engine needs those of 10"),
        ({"source_hash": "0" * 64}, "is stale: built from 000000000000"),
        ({"libraries": []}, "is not known: no record of the build lies beside it"),
    ],
)
def test_a_library_that_does_not_fit_is_left_and_the_text_says_why(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record: dict[str, Any],
    text: str,
) -> None:
    hold(tmp_path / "lib", monkeypatch, **record)

    need = plugin_need(manifest_for(model))

    assert need is not None
    assert need.library is None
    assert text in need.problem


@pytest.mark.usefixtures("no_library")
def test_the_command_builds_it_for_the_engine(model: Path) -> None:
    need = plugin_need(manifest_for(model, build={"targets": ("sm_86", "sm_89")}))

    assert need is not None
    assert need.library is None
    assert need.problem == "libcsakit_trt_autoreg.so is not built"
    assert need.command == (
        "csakit plugin build --arch sm_86,sm_89 "
        "--tensorrt-include /path/to/TensorRT-10/include -o plugins"
    )


def test_an_engine_without_plugin_or_with_it_inside_needs_none(model: Path) -> None:
    import dataclasses

    inside = dataclasses.replace(PLUGIN, embedded=True)

    assert plugin_need(manifest_for(model, build={"plugin": None})) is None
    assert plugin_need(manifest_for(model, build={"plugin": inside})) is None
