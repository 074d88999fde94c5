"""``csakit build`` prints what it built, and says what is wrong in a line."""

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from csakit.export.cli.build import main
from csakit.export.engine import tensorrt_api
from csakit.plugins.errors import ExitCode
from csakit.runtime.cli import inspect_files
from csakit.runtime.contract import META_PRECISION
from helpers.exported import Subject

from ..conftest import Alter

RTX = ["--builder", "tensorrt-rtx", "--targets", "sm_86"]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    monkeypatch.chdir(tmp_path)


def test_the_command_prints_what_it_built_and_inspect_knows_it(
    half: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([str(half.path), "-o", "out.engine", *RTX, "--batch", "1:1:2"])

    lines = capsys.readouterr().out.splitlines()
    megabytes = (tmp_path / "out.engine").stat().st_size / 1e6
    assert code == ExitCode.OK
    assert lines[0].startswith("building out.engine with TensorRT for RTX ")
    assert lines[1:] == [
        "precision: fp16 (network: 100% of layers and 100% of weights half; "
        "engine: cannot be opened without its GPU)",
        "CSA: function body",
        f"wrote out.engine ({megabytes:.1f} MB) and its manifest",
        "next: csakit verify out.engine",
        "      csakit inpaint photo.png mask.png -o repaired.png --model out.engine",
    ]
    assert inspect_files.main(["out.engine"]) == ExitCode.OK
    assert "precision  fp16, as audited" in capsys.readouterr().out


def test_building_needs_neither_torch_nor_the_packages_of_exporting(half: Subject) -> None:
    program = (
        "import sys\n"
        "for name in ('torch', 'onnxscript', 'onnxruntime', 'safetensors', 'skimage'):\n"
        "    sys.modules[name] = None\n"  # importing it then fails
        "from csakit.export.cli.build import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, str(half.path), "-o", "lean.engine", *RTX]

    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == ExitCode.OK, done.stderr
    assert Path("lean.engine.json").is_file()


def test_a_model_that_lies_about_its_precision_is_a_failed_check(
    altered: Alter, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def claim_half(model: onnx.ModelProto) -> None:
        next(p for p in model.metadata_props if p.key == META_PRECISION).value = "fp16"

    code = main([str(altered(claim_half)), "-o", "out.engine", *RTX])

    assert code == ExitCode.CHECK_FAILED
    assert "csakit build: the model states fp16; 0 % of the layers" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.engine*"))


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ([*RTX, "--batch", "x"], 2, "--batch must be N or MIN:OPT:MAX, whole numbers; got 'x'"),
        ([*RTX, "--size", "300"], 2, "--size must be of multiples of 256 up to 2048; got 300"),
        ([*RTX, "--size", "512"], 2, "the model takes --size 256 and nothing else; got 512"),
        ([*RTX, "--workspace", "2GB"], 2, "--workspace must be a size such as 2GiB"),
        ([*RTX, "--opt-level", "7"], 2, "--opt-level must be 0 to 5; got 7"),
        ([*RTX, "--timing-cache", "x"], 2, "does not have --timing-cache"),
        ([*RTX, "--portable", "ampere+"], 2, "have --portable: name the GPUs with --targets"),
        ([*RTX, "--version-compatible"], 2, "does not have --version-compatible"),
        ([*RTX, "--embed-plugin"], 2, "does not have --embed-plugin: it takes no plugins"),
        ([*RTX[:2], "--targets", "rtx"], 2, "--targets must be names such as sm_89; got 'rtx'"),
        ([*RTX[:2], "--targets", "sm_87"], 2, "builds for sm_75"),
        (["--targets", "sm_87"], 2, "--targets is for --builder tensorrt-rtx"),
        (RTX[:2], 3, "Add --targets with its compute capability"),
    ],
)
def test_wrong_options_are_a_line_and_an_exit_code(
    fixed: Subject,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    code: int,
    text: str,
) -> None:
    monkeypatch.setattr(tensorrt_api, "device_architectures", list)

    assert main([str(fixed.path), "-o", "out.engine", *options]) == code

    error = capsys.readouterr().err
    assert error.startswith("csakit build: ")
    assert text in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options",
    [["--builder", "tensorflow"], ["--portable", "all"], ["--refit", "--strip-weights"]],
)
def test_what_argparse_knows_it_refuses(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["model.onnx", "-o", "out.engine", *options])

    assert caught.value.code == ExitCode.USAGE
    assert "usage: csakit build" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08"])
def test_what_is_no_model_of_csakit_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (tmp_path / "x.onnx").write_bytes(content)

    assert main(["x.onnx", "-o", "out.engine", *RTX]) == ExitCode.USAGE
    assert "csakit build: x.onnx " in capsys.readouterr().err
