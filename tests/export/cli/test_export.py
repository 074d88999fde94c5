"""``csakit export`` prints what it wrote, and says what is wrong in a line."""

from pathlib import Path

import pytest
from csakit.export import exporter
from csakit.export.cli.export import main
from helpers.exported import Subject


def test_the_command_writes_the_model_and_prints_parity_sizes_and_form(
    fixed: Subject,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    source = str(fixed.checkpoint)

    code = main([source, "-o", "out.onnx", "--size", "256", "--max-batch", "1"])

    lines = capsys.readouterr().out.splitlines()
    megabytes = fixed.path.stat().st_size / 1e6
    assert code == 0
    assert (tmp_path / "out.onnx").read_bytes() == fixed.path.read_bytes()
    assert lines[0].split()[:1] == ["stage"]
    assert [line.split()[0] for line in lines[1:-1]] == [
        *("rough", "features", "matches", "attended", "output")
    ]
    assert all(line.endswith("ok") for line in lines[1:-1])
    assert lines[-1] == f"wrote out.onnx ({megabytes:.1f} MB): fp32, float, size 256"


def test_the_command_hands_every_option_on(
    fixed: Subject,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    monkeypatch.setattr(
        exporter, "export_onnx", lambda *given: seen.append(given) or fixed.exported
    )
    options = ["--precision", "fp16", "--io", "uint8", "--external-weights", "--max-batch", "4"]

    code = main(["model.safetensors", "-o", "out.onnx", *options])

    ((checkpoint, output, config),) = seen
    assert code == 0
    assert (checkpoint, output) == (Path("model.safetensors"), Path("out.onnx"))
    assert (config.precision, config.io, config.external_weights) == ("fp16", "uint8", True)
    assert (config.size, config.max_batch) == ("dynamic", 4)
    assert "wrote" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--size", "large"], "--size must be a number or 'dynamic'; got 'large'"),
        (["--size", "100"], "size must be 'dynamic' or a multiple of 256 up to 2048; got 100"),
        (["--max-batch", "0"], "max_batch must be at least 1; got 0"),
        ([], "no checkpoint at missing.safetensors"),
    ],
)
def test_wrong_input_is_a_line_and_exit_code_2(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    code = main(["missing.safetensors", "-o", "out.onnx", *options])

    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.startswith(f"csakit export: {text}")
    assert captured.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [[], ["model.safetensors"], ["--precision", "int8"]])
def test_wrong_usage_is_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: csakit export")
