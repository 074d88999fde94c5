"""A timing cache is read, set and written by calls that TensorRT has.

Those of TensorRT for RTX have the same names and do nothing, and say so; ``csakit build``
therefore refuses the option there. Here they stand in for those of TensorRT.
"""

from pathlib import Path
from typing import Any

import pytest
from csakit.export.engine.builder import timing_cache
from csakit.export.engine.tensorrt_api import make_builder
from csakit.plugins.errors import ContractError, EngineError
from csakit.runtime.engine.tensorrt_module import TensorRTModule

pytestmark = pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX 1.2")


@pytest.fixture
def made(module: TensorRTModule) -> Any:  # noqa: ANN401
    return make_builder(module).create_builder_config()


def test_a_new_cache_is_written_at_the_end(
    module: TensorRTModule,
    made: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.cache"

    with timing_cache(module, made, path):
        assert not path.exists()

    assert path.read_bytes() == bytes(memoryview(made.get_timing_cache().serialize()))
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_build_leaves_the_cache_as_it_was(
    module: TensorRTModule,
    made: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    def build() -> None:
        with timing_cache(module, made, tmp_path / "a.cache"):
            raise EngineError("built no engine")

    with pytest.raises(EngineError, match="built no engine"):
        build()

    assert not list(tmp_path.iterdir())


def test_a_damaged_cache_is_refused(module: TensorRTModule, made: Any, tmp_path: Path) -> None:  # noqa: ANN401
    (tmp_path / "a.cache").write_bytes(b"junk")

    with (
        pytest.raises(EngineError, match=r"rejects the timing cache .*a\.cache"),
        timing_cache(module, made, tmp_path / "a.cache"),
    ):
        pass

    assert (tmp_path / "a.cache").read_bytes() == b"junk"


def test_a_folder_is_refused(module: TensorRTModule, made: Any, tmp_path: Path) -> None:  # noqa: ANN401
    with (
        pytest.raises(ContractError, match="must be a file"),
        timing_cache(module, made, tmp_path),
    ):
        pass


def test_without_a_path_nothing_happens(module: TensorRTModule, made: Any) -> None:  # noqa: ANN401
    with timing_cache(module, made, None):
        assert made.get_timing_cache() is None
