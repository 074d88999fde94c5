"""Weights that are not finite are found, and files that cannot be read are reported."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.files.onnx_header import with_weights
from csakit.runtime.files.onnx_weights import require_finite_weights
from onnx import TensorProto, helper


def write(path: Path, *weights: TensorProto) -> Path:
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], weights)), path)
    return path


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16])
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_what_is_no_number_is_named(tmp_path: Path, kind: int, raw: bool, value: float) -> None:
    numpy_type = helper.tensor_dtype_to_np_dtype(kind)
    values = [1.0, value]
    tensor = helper.make_tensor("w", kind, [2], values)
    if raw:
        content = np.array(values).astype(numpy_type).tobytes()
        tensor = helper.make_tensor("w", kind, [2], content, raw=True)

    with pytest.raises(ContractError, match=r"must be finite.*'w' of"):
        require_finite_weights(write(tmp_path / "m.onnx", tensor))


def test_a_number_too_large_for_its_type_is_damage(tmp_path: Path) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT16, dims=[1], int32_data=[851968])

    with pytest.raises(ContractError, match="must be a whole ONNX file"):
        require_finite_weights(write(tmp_path / "m.onnx", tensor))


def test_a_link_that_cannot_be_read_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_symlink", refuse)

    with pytest.raises(ContractError, match=r"cannot open .*m\.onnx: Permission denied\n.*chmod"):
        with_weights(tmp_path / "m.onnx")
