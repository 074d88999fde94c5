"""Each engine has a line: whether it would open here, or what helps."""

import dataclasses
from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.device.open_device import Choice
from csakit.runtime.diagnostics import engine_checks
from csakit.runtime.diagnostics.engine_checks import check_engine_backend, find_engines
from csakit.runtime.engine.compatibility import HostCapabilities
from csakit.runtime.engine.manifest import manifest_path
from helpers.engines import HERE, make_manifest, write_engine

NO_GPU = HostCapabilities(gpus=(), modules=HERE.modules, plugin=False)
BINDING = Choice("cuda-python", "13.4.4", "the only one installed")
NO_BINDING = Choice(None, None, "neither is installed")


@pytest.fixture(autouse=True)
def _binding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_checks, "choose_binding", lambda: BINDING)


def line(engine: Path, machine: HostCapabilities = HERE) -> str:
    (fact,) = engine_checks.check_engines([engine], machine)
    return str(fact).replace(str(engine), "X")


@pytest.mark.parametrize(
    ("machine", "binding", "text"),
    [
        (HERE, BINDING, "OK  X opens with tensorrt_rtx on GPU 0 (sm_86)"),
        (HERE, NO_BINDING, "FIX X needs a CUDA binding for Python: pip install cuda-python"),
        (
            NO_GPU,  # the model is the remedy
            BINDING,
            "FIX X needs an NVIDIA GPU and its driver; none was found: Run model.onnx on the CPU",
        ),
        (
            dataclasses.replace(HERE, gpus=("sm_120",)),
            BINDING,
            "FIX X was built for sm_86, sm_89; this GPU is sm_120: Build it again (in FOLDER): "
            "csakit build model.onnx -o model.engine --builder tensorrt-rtx",
        ),
    ],
)
def test_an_engine_opens_or_the_remedy_is_named(
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    machine: HostCapabilities,
    binding: Choice,
    text: str,
) -> None:
    monkeypatch.setattr(engine_checks, "choose_binding", lambda: binding)

    assert line(write_engine(tmp_path), machine).replace(str(tmp_path), "FOLDER") == text


def test_a_manifest_cannot_write_more_than_a_line_of_text(tmp_path: Path) -> None:
    manifest = make_manifest(build={"targets": ("sm_90\x1b[2J\nOK  all is well",)})

    text = line(write_engine(tmp_path, manifest))

    assert text.isprintable()
    assert text.startswith("FIX X X.json is no manifest of an engine: texts must be printable")


def test_a_manifest_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    engine = write_engine(tmp_path)
    manifest_path(engine).write_text("{")

    assert "\n" not in line(engine)
    assert line(engine).startswith("FIX X ")


def test_folders_are_not_searched_deeper_and_nothing_is_told_twice(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.engine").touch()
    (tmp_path / "folder.engine").mkdir()
    for name in ("b.engine", "a.engine", "a.engine.json", "a.onnx"):
        (tmp_path / name).touch()

    found = find_engines([tmp_path, tmp_path / "a.engine"])

    assert [path.name for path in found] == ["a.engine", "b.engine"]


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").touch()

    with pytest.raises(ContractError, match=r"must be \.engine files or folders; got .*a\.onnx"):
        find_engines([tmp_path / "a.onnx"])


def test_all_that_is_missing_to_run_engines_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_checks, "choose_binding", lambda: NO_BINDING)

    text = str(check_engine_backend(HostCapabilities(gpus=(), modules={}, plugin=False)))

    assert text.endswith(
        "cannot run here: lacking a GPU and TensorRT (pip install tensorrt) and a CUDA binding "
        "(pip install cuda-python)"
    )


def test_where_nothing_is_missing_engines_run() -> None:
    assert str(check_engine_backend(HERE)) == (
        "OK  .engine models        run on 1 GPU(s), by tensorrt_rtx 1.7.1.116"
    )
