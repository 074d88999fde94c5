"""The example of docs/onnx.md repairs the example photograph with ONNX Runtime alone."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


def test_the_python_example_repairs_the_hole_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "runtime").symlink_to(ROOT / "runtime")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"(?ms)^```python\n(.*?)^```", (ROOT / "docs/onnx.md").read_text())

    names: dict[str, np.ndarray] = {}
    exec(code, names)

    before, missing = np.asarray(names["image"]), names["missing"][0, 0] > 0
    after = np.asarray(Image.open("repaired.png"))
    assert 0.01 < missing.mean() < 0.5
    np.testing.assert_array_equal(after[~missing], before[~missing])
    assert np.abs(after[missing].astype(int) - before[missing]).mean() > 2
    assert "csakit" not in code
