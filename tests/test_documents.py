"""What the documents tell a user to type works, and what they point to exists."""

import contextlib
import functools
import importlib.metadata
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/**/README.md")]
)
DOCUMENTS = [path for path in DOCUMENTS if not {".venv", "build"} & {*path.parts}]
README = ROOT / "README.md"

_BLOCK = re.compile(r"(?ms)(?P<mark><!-- test -->\s*)?^```sh\n(?P<lines>.*?)^```")
_INLINE = re.compile(r"`((?:csakit|make) [^`]+)`")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)


def shell_lines(text: str) -> Iterator[list[str]]:
    """Split lines of a shell into words; a backslash joins two, comments go."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def commands(path: Path, program: str) -> list[list[str]]:
    """Find every call of a program, in blocks of shell lines and in running text."""
    text = path.read_text()
    lines = [words for block in _BLOCK.finditer(text) for words in shell_lines(block["lines"])]
    lines += [words for inline in _INLINE.findall(text) for words in shell_lines(inline)]
    return [words[1:] for words in lines if words[0] == program]


@functools.cache
def help_of(*arguments: str) -> str:
    """Give what a sub-command answers to ``--help``."""
    (entry,) = importlib.metadata.entry_points(group="csakit.commands", name=arguments[0])
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        entry.load()([*arguments[1:], "--help"])
    return printed.getvalue()


@each_document
def test_every_command_in_a_document_exists_and_knows_its_flags(path: Path) -> None:
    registered = importlib.metadata.entry_points(group="csakit.commands").names

    for name, *words in commands(path, "csakit"):
        if not re.fullmatch("[a-z]+", name):  # `csakit --help`, `csakit COMMAND`, `csakit ...`
            continue
        assert name in registered
        text = help_of(name)
        if words and re.search(rf"^    {re.escape(words[0])}\b", text, re.MULTILINE):
            text += help_of(name, words[0])
        known = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", text))
        flags = {word.split("=")[0] for word in words if word.startswith("-")}
        assert flags <= known, f"csakit {name} does not know {flags - known}"


@each_document
def test_every_make_target_in_a_document_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    named = {word for words in commands(path, "make") for word in words if word.isalpha()}

    assert named <= targets


@each_document
def test_every_file_that_a_document_links_exists(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", path.read_text())

    missing = [link for link in links if not (path.parent / link).exists()]

    assert not missing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the README assumes it: a photograph, a mask, a checkpoint."""
    import skimage.data
    from csakit.train import checkpoint
    from helpers.exported import calm_model

    photograph = Image.fromarray(skimage.data.chelsea())
    photograph.save(tmp_path / "photo.png")
    mask = Image.new("L", photograph.size)
    ImageDraw.Draw(mask).ellipse((180, 100, 260, 170), fill=255)
    mask.save(tmp_path / "mask.png")
    checkpoint.save(calm_model(), tmp_path / "demo.safetensors")
    return tmp_path


def test_the_tables_of_evaluations_are_those_of_their_records() -> None:
    from csakit.train.evaluation.margins import written_into

    document = README.read_text()

    assert document.count("<!-- evaluation: ") == 1
    assert written_into(document, ROOT) == document


def test_the_commands_that_the_readme_shows_run_in_their_order(folder: Path) -> None:
    blocks = [block for block in _BLOCK.finditer(README.read_text()) if block["mark"]]
    lines = [words for block in blocks for words in shell_lines(block["lines"])]
    program = str(Path(sys.executable).with_name("csakit"))
    shown = [words for words in lines if words[0] == "csakit"]

    for words in shown:
        finished = subprocess.run(
            [program, *words[1:]],
            check=False,
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONWARNINGS": "default"},
        )
        assert finished.returncode == 0, f"{shlex.join(words)}\n{finished.stdout}{finished.stderr}"
        assert "Traceback" not in finished.stderr
        assert "Warning" not in finished.stderr, f"{shlex.join(words)}\n{finished.stderr}"

    assert {"export", "verify", "inpaint"} <= {words[1] for words in shown}
    photograph = np.asarray(Image.open(folder / "photo.png"))
    mask = np.asarray(Image.open(folder / "mask.png")) > 0
    for path in folder.glob("repaired.png"):
        repaired = np.asarray(Image.open(path))
        assert (repaired[~mask] == photograph[~mask]).all()
        assert (repaired[mask] != photograph[mask]).any()
