"""A file is recognised by its size, its time and samples of what it holds."""

import os
from pathlib import Path

import onnx
import pytest
from csakit.runtime.sessions.fingerprint import external_files, fingerprint
from onnx import TensorProto, helper

MIB = 1 << 20


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(bytes(8 * MIB))
    os.utime(path, (1000, 1000))
    return path


def change(path: Path, offset: int, length: int = 1) -> None:
    """Overwrite some bytes; the size and the time stay."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"x" * length)
    os.utime(path, (1000, 1000))


def test_the_same_file_is_recognised_after_a_copy_that_keeps_its_second(
    large: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(large.read_bytes())
    os.utime(copy, (1000.0, 1000.75))  # archives drop the fraction

    assert fingerprint(copy) == fingerprint(large)


@pytest.mark.parametrize("offset", [0, 8 * MIB - 1, 8 * MIB - 30_000, 65_535])
def test_a_byte_at_either_end_is_seen(large: Path, offset: int) -> None:
    before = fingerprint(large)

    change(large, offset)

    assert fingerprint(large) != before


@pytest.mark.parametrize("offset", range(0, 7 * MIB, MIB + 12345))
def test_a_changed_part_in_the_middle_is_seen(large: Path, offset: int) -> None:
    before = fingerprint(large)

    change(large, offset, 8 * MIB // 63)  # the distance of the samples

    assert fingerprint(large) != before


def test_a_later_change_and_another_size_are_seen(large: Path) -> None:
    before = fingerprint(large)

    os.utime(large, (1001, 1001))
    later = fingerprint(large)
    with large.open("ab") as file:
        file.write(b"\0")
    os.utime(large, (1000, 1000))

    assert later != before
    assert fingerprint(large) != before


def test_every_byte_of_a_small_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(bytes(MIB))
    os.utime(path, (1000, 1000))
    before = fingerprint(path)

    change(path, 654_321)

    assert fingerprint(path) != before


def test_the_files_of_a_model_are_found_by_the_names_it_holds(tmp_path: Path) -> None:
    names = ["w.bin", "a name of more than " + 6 * "twenty letters " + ".bin", "absent.bin"]
    tensors = []
    for name in names:
        tensor = TensorProto(name=name, dims=[1], data_type=1, data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=name)
        tensors.append(tensor)
    graph = helper.make_graph([], "g", [], [], tensors)
    model = tmp_path / "m.onnx"
    model.write_bytes(helper.make_model(graph).SerializeToString())
    for name in names[:2]:
        (tmp_path / name).touch()

    assert external_files(model) == [tmp_path / name for name in sorted(names[:2])]
    assert len(names[1]) > 100


def test_a_model_that_holds_its_weights_has_no_files(tmp_path: Path) -> None:
    tensor = helper.make_tensor("location", TensorProto.FLOAT, [2], [1.0, 2.0])
    graph = helper.make_graph([], "g", [], [], [tensor])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")

    assert external_files(tmp_path / "m.onnx") == []
