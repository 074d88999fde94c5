"""What the documents tell a user to type works, and what they point to exists."""

import contextlib
import functools
import importlib.metadata
import importlib.util
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    path
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("*/**/*.md")])
    if not {".venv", "build", "out"} & {*path.relative_to(ROOT).parts}
]
README = ROOT / "README.md"
EXAMPLES = ROOT / "docs/examples"

# Marked blocks of the README are run; a mark may name a module that its commands need.
_BLOCK = re.compile(
    r"(?ms)(?P<mark><!-- test(?:: (?P<module>\w+))? -->\s*)?"
    r"^```(?P<kind>sh|python)\n(?P<lines>.*?)^```"
)
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
    blocks = [block["lines"] for block in _BLOCK.finditer(text) if block["kind"] == "sh"]
    lines = [words for block in blocks for words in shell_lines(block)]
    lines += [words for inline in _INLINE.findall(text) for words in shell_lines(inline)]
    return [words[1:] for words in lines if words[0] == program]


@functools.cache
def help_of(*arguments: str) -> str:
    """Return what a sub-command prints for ``--help``."""
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
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a fresh checkout, where commands write beside links."""
    for name in ("benchmarks", "docs", "export", "plugins", "runtime", "train"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize("page", [README, ROOT / "train" / "weights" / "README.md"], ids=str)
def test_the_tables_of_evaluations_are_those_of_their_records(page: Path) -> None:
    from csakit.train.evaluation.margins import written_into

    document = page.read_text()

    assert document.count("<!-- evaluation: ") == 1
    assert written_into(document, page.parent) == document


def shown(path: Path) -> Iterator[list[str]]:
    """Yield the commands of the marked blocks of a document, and its Python programs."""
    for block in _BLOCK.finditer(path.read_text()):
        if not block["mark"] or (block["module"] and not importlib.util.find_spec(block["module"])):
            continue
        if block["kind"] == "python":
            yield ["python", block["lines"]]
        else:
            yield from shell_lines(block["lines"])


def test_the_commands_that_the_readme_shows_run_in_their_order(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from csakit.runtime.cli.main import main  # in this process: imports cost more than the work

    monkeypatch.chdir(checkout)
    ran = set()
    for program, *words in shown(README):
        if program == "python":
            exec(words[0], {})
            continue
        assert program == "csakit"
        code = main(words)
        told = f"{shlex.join(words)}\n{''.join(capsys.readouterr())}"
        assert code == 0, told
        assert "Warning" not in told
        ran.add(words[0])

    assert {"export", "verify", "inpaint", "train", "evaluate", "triton"} <= ran
    photograph = np.asarray(Image.open(EXAMPLES / "photo.jpg"))
    mask = np.asarray(Image.open(EXAMPLES / "mask.png").convert("L")) > 0
    for name in ("repaired.png", "from-python.png", "exported.png"):
        repaired = np.asarray(Image.open(checkout / name))
        assert (repaired[~mask] == photograph[~mask]).all()
        assert (repaired[mask] != photograph[mask]).any()
