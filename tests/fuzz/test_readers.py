"""Readers refuse mutated files with an error of csakit, and never fail in another way.

One second each; ``make fuzz`` runs them longer, from another first mutation if FUZZ_FIRST is set.
"""

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins.errors import CsakitError
from csakit.runtime.engine.manifest import Manifest, read_manifest
from csakit.runtime.files.engine_header import read_plan_header
from csakit.runtime.files.onnx_header import read_onnx_header, with_weights
from csakit.runtime.files.onnx_weights import require_finite_weights
from csakit.runtime.files.safetensors_header import read_checkpoint_header
from csakit.runtime.images.encode import encode_image, load_image
from csakit.runtime.images.mask import load_hole
from csakit.runtime.options import CHANNELS, MaskOptions
from helpers.engines import PLUGIN, make_manifest

from . import seeds
from .mutation import mutate, numbers

IMAGES = list(seeds.images())
SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".bmp")
LARGEST = 1 << 16  # pixels; larger ones are only read


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "csakit")


def hunt(data: Callable[[int], bytes], path: Path, read: Callable[[int, Path], object]) -> None:
    """Feed mutations to a reader until the time is up or it raises an undocumented error."""
    for number in numbers():
        path.write_bytes(mutate(data(number), number))
        try:
            read(number, path)
        except CsakitError:
            continue
        except Exception as error:
            raise AssertionError(f"mutation {number}: {error!r}") from error


def image(number: int) -> bytes:
    return IMAGES[number % len(IMAGES)][1]


def test_images(tmp_path: Path) -> None:
    def read(number: int, path: Path) -> None:
        picture = load_image(path)
        if picture.pixels[..., 0].size <= LARGEST:
            encode_image(picture, Path(f"out{SUFFIXES[number % len(SUFFIXES)]}"))

    hunt(image, tmp_path / "image", read)


def test_masks(tmp_path: Path) -> None:
    def read(number: int, path: Path) -> None:
        channel = CHANNELS[number % len(CHANNELS)]
        options = MaskOptions(channel=channel, threshold=1 + number % 255, invert=number % 3 == 0)
        hole = load_hole(path, (24, 32), options)
        assert hole.shape == (24, 32)

    hunt(image, tmp_path / "mask", read)


def test_onnx_files(tmp_path: Path) -> None:
    content = seeds.model()
    (tmp_path / "m.weights").write_bytes(bytes(32))
    (tmp_path / "link.onnx").symlink_to(tmp_path / "model.onnx")

    def read(number: int, path: Path) -> None:
        if number % 2:
            with_weights(tmp_path / "link.onnx")
            json.dumps(vars(read_onnx_header(path)), default=vars)
        else:
            require_finite_weights(path)

    hunt(lambda _: content, tmp_path / "model.onnx", read)


@pytest.mark.parametrize(
    ("content", "reader"),
    [(seeds.checkpoint(), read_checkpoint_header), (seeds.plan(), read_plan_header)],
    ids=["safetensors", "engine"],
)
def test_headers(tmp_path: Path, content: bytes, reader: Callable[[Path], object]) -> None:
    hunt(lambda _: content, tmp_path / "m", lambda _, path: reader(path))


def test_manifests(tmp_path: Path) -> None:
    pytest.importorskip("msgspec")
    content = make_manifest(build={"plugin": PLUGIN}).text().encode()

    def read(number: int, path: Path) -> None:
        if number % 2:  # else the checksum refuses nearly all
            path.write_bytes(sealed(path.read_bytes()))
        assert isinstance(read_manifest(path), Manifest)

    hunt(lambda _: content, tmp_path / "m", read)


def sealed(data: bytes) -> bytes:
    """Correct the checksum of a manifest, if it is still an object."""
    from csakit.runtime.engine import manifest

    try:
        values: Any = json.loads(data)
        values.pop("checksum", None)
        values["checksum"] = manifest._checksum(values)
        return json.dumps(values).encode()
    except (ValueError, AttributeError, TypeError, RecursionError):
        return data


def test_pth_files(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from csakit.train.pth import read_pth

    weights = {"a.weight": torch.ones(2, 3), "module.b": torch.ones(4).half()}
    files = []
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save(weights, buffer, _use_new_zipfile_serialization=zipped)
        files.append(buffer.getvalue())

    def read(_: int, path: Path) -> None:
        for tensor in read_pth(path).values():
            float(tensor.double().sum())

    hunt(lambda number: files[number % 2], tmp_path / "m.pth", read)
