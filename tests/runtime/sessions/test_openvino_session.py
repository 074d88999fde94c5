"""Models on OpenVINO: both forms of input, every refusal, several threads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError, LibraryError
from csakit.runtime import Inpainter, host, open_session
from csakit.runtime.cli.inpaint import main
from csakit.runtime.contract import META_PRECISION
from csakit.runtime.host import has_bfloat16

from ..conftest import METADATA, MakeModel
from .conftest import numbers, pixels

pytest.importorskip("openvino")

needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="the processor has no bfloat16")


@pytest.mark.parametrize("io", ["float", "uint8"])
def test_it_answers_as_onnxruntime_does_in_both_forms(
    make_model: MakeModel, rng: np.random.Generator, io: str
) -> None:
    model = make_model(io=io)
    session, other = open_session(model, backend="openvino", threads=1), open_session(model)
    image, hole = pixels(rng)

    assert session.metadata == other.metadata
    assert np.abs(session.run_uint8(image, hole) - other.run_uint8(image, hole)).max() <= 1
    found, expected = (one.run(*numbers(image, hole)) for one in (session, other))
    np.testing.assert_allclose(found, expected, atol=1e-4 if io == "float" else 1 / 127)


def test_the_inpainter_takes_it(make_model: MakeModel, photo: np.ndarray) -> None:
    hole = np.zeros(photo.shape[:2], dtype=bool)
    hole[100:150, 100:150] = True

    with Inpainter.open(make_model(), backend="openvino") as inpaint:
        result = inpaint(photo, hole)

    assert (result[~hole] == photo[~hole]).all()
    assert (result[hole] != photo[hole]).any()


def test_several_threads_get_their_own_answers(
    make_model: MakeModel, rng: np.random.Generator
) -> None:
    session = open_session(make_model(io="uint8"), backend="openvino", threads=1)
    inputs = [pixels(rng, batch=1) for _ in range(8)]
    expected = [session.run_uint8(*one) for one in inputs]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda one: session.run_uint8(*one), inputs * 3))

    assert all((a == b).all() for a, b in zip(found, expected * 3, strict=True))


def test_half_precision_files_are_refused_with_the_remedy(make_model: MakeModel) -> None:
    model = make_model(metadata={**METADATA, META_PRECISION: "fp16"})

    with pytest.raises(ContractError, match=r"runs fp32 models.*is fp16\n.*--precision fp32"):
        open_session(model, backend="openvino")


def test_a_model_that_it_cannot_read_is_refused_with_a_reason(make_model: MakeModel) -> None:
    path = make_model()
    path.write_bytes(path.read_bytes().replace(b"ReduceSum", b"ReduceSun"))

    with pytest.raises(ContractError, match=r"that OpenVINO reads: .*\S\nCopy it again"):
        open_session(path, backend="openvino")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"backend": "tflite"}, r"backend must be one of \('onnxruntime', 'openvino'\)"),
        ({"precision": "bf16"}, "can be chosen for the openvino backend only; got 'bf16'"),
        (
            {"backend": "onnxruntime", "precision": "fp32"},
            "openvino backend only; got 'fp32'",
        ),
        ({"backend": "openvino", "precision": "int8"}, "must be one of .*; got 'int8'"),
        ({"backend": "openvino", "device": "cuda"}, "runs on the CPU; got the device 'cuda'"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    make_model: MakeModel, options: dict[str, object], reason: str
) -> None:
    with pytest.raises(ContractError, match=reason):
        open_session(make_model(), **options)  # type: ignore[arg-type]


def test_an_engine_has_no_choice(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="an engine runs in TensorRT alone"):
        open_session(tmp_path / "model.engine", backend="openvino")


def test_a_processor_without_bfloat16_is_told_and_nothing_runs_instead(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nflags\t\t: sse2 avx2 avx512f avx512_vnni\n\nprocessor\t: 1\n")
    monkeypatch.setattr(host, "_KIND", info)

    with pytest.raises(LibraryError, match=r"needs a processor with avx512_bf16.*\n.*fp32"):
        open_session(make_model(), backend="openvino", precision="bf16")
    open_session(make_model(), backend="openvino", precision="fp32").close()


@needs_bfloat16
def test_the_command_line_reaches_it(
    make_model: MakeModel, files: list[str], tmp_path: Path
) -> None:
    common = [*files, "-o", str(tmp_path / "out.png"), "--model", str(make_model())]

    assert main([*common, "--backend", "openvino", "--precision", "bf16"]) == 0
    assert (tmp_path / "out.png").is_file()
    assert main([*common, "--precision", "bf16", "--overwrite"]) == 2
