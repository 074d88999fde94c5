"""``csakit triton`` prints what it wrote, and says what is wrong in a line."""

import subprocess
import sys
from pathlib import Path

import pytest
from csakit.export.cli.triton import main
from csakit.plugins.errors import ExitCode
from helpers.engines import write_engine
from helpers.exported import Subject
from helpers.python import succeed


def test_the_command_says_what_is_served_and_where(
    packed: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    code = main([str(packed.path), "-o", str(out), "--max-batch", "4", "--preferred", "2,4"])

    assert code == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == [
        "csa_onnx: onnxruntime on CPU, batches up to 4, sides 256:256:2048",
        f"wrote {out}: serve {out / 'models'}; see its README.md",
    ]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--preferred", "a"], "--preferred must be numbers such as 4,8; got 'a'"),
        (["--cuda-graphs"], "--cuda-graphs is for engines; name one after the model"),
        (["--instances", "0"], "--instances must be 1 to 64; got 0"),
    ],
)
def test_wrong_options_are_a_line_and_write_nothing(
    packed: Subject,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    text: str,
) -> None:
    code = main([str(packed.path), "-o", str(tmp_path / "out"), *options])

    assert code == ExitCode.USAGE
    assert capsys.readouterr().err.startswith(f"csakit triton: {text}")
    assert not (tmp_path / "out").exists()


def test_an_engine_of_another_flavour_is_the_environments_fault(
    packed: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = write_engine(tmp_path)

    code = main([str(packed.path), str(engine), "-o", str(tmp_path / "out")])

    assert code == ExitCode.ENVIRONMENT
    assert "was built by tensorrt_rtx" in capsys.readouterr().err


def test_writing_a_repository_needs_no_framework() -> None:
    program = (
        "import sys; from csakit.export.cli.triton import main, write_repository\n"
        "sys.exit(' '.join({'torch', 'onnx', 'onnxruntime', 'tritonclient'} & {*sys.modules}) or 0)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_device_needs_no_framework_for_it(packed: Subject, tmp_path: Path) -> None:
    frameworks = ["torch", "onnx", "onnxscript", "safetensors", "skimage", "scipy", "onnxruntime"]
    program = f"""
import sys
sys.modules.update(dict.fromkeys({frameworks}))
from csakit.export.cli.triton import main
sys.exit(main(sys.argv[1:]))
"""

    succeed(program, packed.path, "-o", tmp_path / "out")

    assert (tmp_path / "out" / "models" / "csa_onnx" / "config.pbtxt").is_file()
