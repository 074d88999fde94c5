import errno
import logging
import os
from pathlib import Path

import pytest
from csakit.runtime.engine import rtx_engine
from csakit.runtime.engine.rtx_engine import CacheFile


def test_what_was_compiled_is_there_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "model.engine.rtx-cache"

    first = CacheFile(path).read()
    CacheFile(path).write(b"kernels")

    assert first is None
    assert CacheFile(path).read() == b"kernels"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    path.write_bytes(b"kernels")
    cache = CacheFile(path)
    cache.read()
    before = path.stat().st_mtime_ns, path.stat().st_ino

    cache.write(b"kernels")
    cache.write(b"")

    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


@pytest.mark.parametrize("folder", ["absent", "full"])
def test_what_cannot_be_written_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, folder: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "full").mkdir()
    if folder == "full":
        monkeypatch.setattr(Path, "touch", fail)

    with caplog.at_level(logging.INFO):
        CacheFile(tmp_path / folder / "cache").write(b"kernels")

    assert "compiled kernels are not kept: cannot write" in caplog.text


def test_a_file_that_is_no_cache_is_not_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rtx_engine, "MOST_CACHE_BYTES", 4)
    (tmp_path / "cache").write_bytes(b"kernels")

    assert CacheFile(tmp_path / "cache").read() is None
    assert "is too large for a cache" in caplog.text
