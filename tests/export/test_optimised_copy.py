"""The optimised copy that the runtime keeps answers bit by bit as the exported file does."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from csakit.runtime import open_session
from csakit.runtime.sessions import model_cache
from csakit.runtime.sessions.model_cache import BESIDE
from helpers.exported import Subject

SIZES = [(256, 256), (256, 512)]


@pytest.mark.parametrize("name", ["dynamic", "packed", "fixed", "half"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_copy_answers_as_the_file_does(
    *,
    request: pytest.FixtureRequest,
    name: str,
    threads: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rng: np.random.Generator,
) -> None:
    subject: Subject = request.getfixturevalue(name)
    for path in filter(None, (subject.exported.model, subject.exported.weights)):
        shutil.copy(path, tmp_path)
    model = tmp_path / subject.path.name
    monkeypatch.setattr(model_cache, "MIN_BYTES", 1)
    plain, making, copied = (
        open_session(model, threads=threads, cache=cache) for cache in (False, True, True)
    )

    assert len(list((tmp_path / BESIDE).iterdir())) == 1
    for size in SIZES if plain.size is None else [plain.size]:
        image = rng.integers(0, 256, (1, *size, 3), np.uint8)
        hole = np.zeros((1, *size, 1), np.uint8)
        hole[:, 60:170, 80:200] = 255
        expected = plain.run_uint8(image, hole)
        np.testing.assert_array_equal(making.run_uint8(image, hole), expected)
        np.testing.assert_array_equal(copied.run_uint8(image, hole), expected)
        if plain.io == "float":
            floats = (image / 127.5 - 1).astype(np.float32).transpose(0, 3, 1, 2)
            holes = (hole / 255).astype(np.float32).transpose(0, 3, 1, 2)
            numbers = [
                session.run(np.ascontiguousarray(floats), np.ascontiguousarray(holes))
                for session in (plain, copied)
            ]
            np.testing.assert_array_equal(*numbers)
