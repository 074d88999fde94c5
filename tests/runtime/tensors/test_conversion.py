import numpy as np
import pytest
from csakit.plugins.errors import EngineError
from csakit.runtime.tensors.conversion import require_finite


def test_numbers_that_are_not_finite_are_counted() -> None:
    answer = np.zeros((1, 3, 2, 2), np.float32)
    require_finite(answer, "model.onnx")
    answer[0, 1, 0, 0], answer[0, 2, 1, 1] = np.nan, np.inf

    with pytest.raises(EngineError, match=r"model.onnx must answer .*; 2 of 12 are not"):
        require_finite(answer, "model.onnx")
