"""What the first bytes of a plan tell; ``test_build_engine.py`` reads those of real ones."""

import struct
from pathlib import Path

import pytest
from csakit.runtime.files.engine_header import PlanHeader, read_plan_header

HEADER = struct.pack("<4s12xQ4B", b"vtrt", 12345, 1, 7, 1, 116).ljust(64, b"\0")


def test_version_and_length_are_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(HEADER)

    assert read_plan_header(tmp_path / "x") == PlanHeader("1.7.1.116", 12345)


@pytest.mark.parametrize("content", [None, b"", HEADER[:63], b"ftrt" + HEADER[4:], b"\0" * 64])
def test_other_files_have_no_plan_header(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x").write_bytes(content)

    assert read_plan_header(tmp_path / "x") is None
