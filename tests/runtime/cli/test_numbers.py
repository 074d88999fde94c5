"""No command takes a number that makes no sense: it is a line that names the option."""

from pathlib import Path

import pytest
from csakit.plugins.errors import ExitCode
from csakit.runtime.cli import inpaint, web

SENSELESS = ["1e400", "nan", "-inf", "-1", "0x10", "", "9" * 30, "--"]
INPAINT = [
    *("--margin", "--max-side", "--mask-threshold", "--dilate", "--quality", "--threads"),
    *("--ray-workers", "--ray-gpus-each"),
]
WEB = ["--port", "--max-upload", "--queue", "--deadline", "--margin", "--max-side", "--threads"]


def refusal(command: object, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must refuse its arguments; return what it says, spelt as options are."""
    try:
        code = command.main(arguments)  # type: ignore[attr-defined]
    except SystemExit as ended:  # of argparse
        code = ended.code
    assert code == ExitCode.USAGE
    return capsys.readouterr().err.replace("_", "-").replace(" ", "-").lower()


@pytest.mark.parametrize("value", SENSELESS)
@pytest.mark.parametrize("option", INPAINT)
def test_inpaint(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("i.png", "m.png", "model.onnx"):
        (tmp_path / name).touch()
    files = [str(tmp_path / name) for name in ("i.png", "m.png")]
    where = [*files, "-o", str(tmp_path / "o.png"), "--model", str(tmp_path / "model.onnx")]
    if option.startswith("--ray"):
        where += ["--ray", "local", "--device", "cuda"]

    told = refusal(inpaint, [*where, f"{option}={value}"], capsys)

    assert option.removeprefix("--").removeprefix("ray-").removesuffix("-each") in told
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize("value", SENSELESS)
@pytest.mark.parametrize("option", WEB)
def test_web(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = refusal(web, ["--model", "absent.onnx", f"{option}={value}"], capsys)

    assert option.removeprefix("--") in told
    assert "absent.onnx" not in told
