"""The client of a repository repairs photographs, over HTTP and Triton's protocol."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from csakit.export.serving.client import window
from csakit.export.serving.repository import write_repository
from csakit.runtime.sessions.ort_session import OrtSession
from helpers.exported import Subject
from helpers.kserve import served
from helpers.pictures import gradient
from PIL import Image

SIZE = (300, 280)  # H, W: larger than one input of the network


@pytest.fixture(scope="module")
def folder(packed: Subject, fixed: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photograph, masks, and two repositories."""
    from csakit.export.serving.options import ServingOptions

    root = tmp_path_factory.mktemp("client")
    write_repository(packed.path, None, root / "bytes")
    write_repository(fixed.path, None, root / "floats", ServingOptions(name="fixed"))
    Image.fromarray(gradient(SIZE[1], SIZE[0])).save(root / "photo.png")
    for name, box in {"mask": (120, 200, 90, 170), "large": (5, 295, 5, 275)}.items():
        mask = np.zeros(SIZE, np.uint8)
        mask[box[0] : box[1], box[2] : box[3]] = 255
        Image.fromarray(mask).save(root / f"{name}.png")
    return root


def ask(folder: Path, url: str, repository: str, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, f"{repository}/client.py", "photo.png", *arguments, "--url", url]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("repository", "model"), [("bytes", "csa_onnx"), ("floats", "fixed_onnx")])
def test_the_client_repairs_the_hole_and_nothing_else(
    folder: Path, packed: Subject, fixed: Subject, repository: str, model: str
) -> None:
    with served(folder / repository / "models") as url:
        code, text = ask(folder, url, repository, "mask.png", "-o", "out.png", "--model", model)

    assert (code, text) == (0, f"out.png: 7.6% repaired by {model} on {url}\n")
    photo, result = (np.asarray(Image.open(folder / name)) for name in ("photo.png", "out.png"))
    hole = np.asarray(Image.open(folder / "mask.png")) > 0
    assert (result[~hole] == photo[~hole]).all()
    rows, columns = slice(32, 288), slice(2, 258)  # around the middle of the hole
    subject = packed if repository == "bytes" else fixed
    session = OrtSession.open(subject.path, cache=False)
    inside = hole[rows, columns]
    expected = session.run_uint8(
        photo[None, rows, columns].copy(), inside[None, ..., None].astype(np.uint8)
    )[0]
    session.close()
    assert (result[rows, columns][inside] == expected[inside]).all()


def test_what_the_server_refuses_is_a_line(folder: Path) -> None:
    with served(folder / "floats/models") as url:
        code, text = ask(folder, url, "floats", "mask.png", "-o", "no.png", "--model", "other")
        too_large = ask(folder, url, "floats", "large.png", "-o", "no.png", "--model", "fixed_onnx")

    assert code == 1
    assert text.startswith(f"client.py: other on {url}: ")
    assert too_large[0] == 1
    assert "the hole must fit into 256 x 256 pixels; it has 290" in too_large[1]
    assert not (folder / "no.png").exists()


def test_a_server_that_is_not_there_is_a_line(folder: Path) -> None:
    code, text = ask(folder, "127.0.0.1:9", "bytes", "mask.png", "-o", "no.png")

    assert code == 1
    assert text.startswith("client.py: csa_onnx on 127.0.0.1:9: ")


@pytest.mark.parametrize(
    ("box", "sides", "expected"),
    [
        ((0, 10, 0, 10), "256:512:1024", ((0, 256), (0, 256), 256)),  # a corner
        ((300, 500, 300, 500), "256:512:1024", ((144, 656), (144, 656), 512)),
        ((100, 900, 100, 900), "256:512:1024", ((0, 1000), (0, 1000), 1024)),  # all, padded
        ((600, 700, 600, 700), "512", ((394, 906), (394, 906), 512)),
    ],
)
def test_the_window_holds_the_hole_and_its_surroundings(
    box: tuple[int, int, int, int], sides: str, expected: tuple[tuple[int, int], ...]
) -> None:
    hole = np.zeros((1000, 1000), dtype=bool)
    hole[box[0] : box[1], box[2] : box[3]] = True

    parts, size = window(hole, sides)

    assert [(part.start, part.stop) for part in parts] == [expected[0], expected[1]]
    assert size == (expected[2], expected[2])
