"""Rules that the repository keeps about itself; see CONTRIBUTING.md."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from csakit.runtime.cli.main import SUMMARIES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "csakit"
LAYERS = ("plugins", "runtime", "train", "export", "benchmarks")
FRAMEWORKS = {"torch", "torchvision", "onnx", "onnxscript", "safetensors", "skimage"}
OLDEST_PYTHON = (3, 10)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize(
    ("statement", "more"),
    [
        ("import csakit.runtime", ()),
        ("from csakit.runtime.cli.main import main; main(['--help'])", ()),
        ("from csakit.runtime.cli.main import main; main(['--version'])", ()),
        ("from csakit.runtime.cli import inpaint; inpaint.inpaint_arguments.inpaint_parser()", ()),
        ("import csakit.plugins.python_plugin", ("tensorrt", "tensorrt_lean", "tensorrt_rtx")),
        ("import csakit.benchmarks.cli", ()),
        ("import csakit.benchmarks.latency.worker", ("numpy",)),  # before its clock starts
    ],
)
def test_what_only_starts_loads_no_framework(statement: str, more: tuple[str, ...]) -> None:
    names = (*FRAMEWORKS, "onnxruntime", "openvino", *more)
    program = f"{statement}\nimport sys\nsys.exit(' '.join({{*{names}}} & sys.modules.keys()) or 0)"

    finished = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert (finished.returncode, finished.stderr) == (0, "")


def test_every_command_has_help_where_nothing_but_the_runtime_is_installed() -> None:
    absent = {*FRAMEWORKS, "lightning_fabric", "matplotlib", "msgspec", "onnxruntime", "openvino"}
    absent |= {"jinja2", "polygraphy", "scipy", "starlette", "tensorboard", "tqdm", "uvicorn"}
    program = f"""
import sys
sys.modules.update(dict.fromkeys({sorted(absent)}))
from csakit.runtime.cli.main import SUMMARIES, main
for name in SUMMARIES:
    try:
        code = main([name, "--help"])
    except SystemExit as exit:
        code = exit.code
    if code:
        print(name, code, file=sys.stderr)
"""
    finished = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert (finished.returncode, finished.stderr) == (0, "")


def test_every_folder_of_modules_is_a_package() -> None:
    links = {path.name: path.resolve() for path in SOURCE.iterdir() if path.is_symlink()}
    folders = {path.parent for link in links.values() for path in link.rglob("*.py")}

    assert links == {layer: ROOT / layer for layer in LAYERS}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
    assert (SOURCE / "py.typed").is_file()


def test_the_changelog_starts_with_the_version_of_the_project(project: dict[str, Any]) -> None:
    entries = re.findall(r"^## \[?(\S+?)\]? ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert entries[0] == project["project"]["version"]


def test_every_command_is_listed_and_leads_to_a_function(project: dict[str, Any]) -> None:
    commands: dict[str, str] = project["project"]["entry-points"]["csakit.commands"]
    scripts: dict[str, str] = project["project"]["scripts"]

    assert set(commands) == set(SUMMARIES)
    for value in (*commands.values(), *scripts.values()):
        parts = re.fullmatch(r"csakit\.([\w.]+):(\w+)(?: \[(\w+)\])?", value)
        assert parts is not None
        module, function, extra = parts.groups()
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert extra is None or extra in project["project"]["optional-dependencies"]


def test_the_oldest_python_is_stated_once(project: dict[str, Any]) -> None:
    dotted, joined = ".".join(map(str, OLDEST_PYTHON)), "py" + "".join(map(str, OLDEST_PYTHON))

    assert project["project"]["requires-python"] == f">={dotted}"
    assert project["tool"]["ruff"]["target-version"] == joined
    assert project["tool"]["mypy"]["python_version"] == dotted


def test_warnings_are_errors(project: dict[str, Any]) -> None:
    assert project["tool"]["pytest"]["ini_options"]["filterwarnings"][0] == "error"


def test_the_licence_is_the_one_that_the_project_names(project: dict[str, Any]) -> None:
    text = (ROOT / "LICENSE").read_text()

    assert project["project"]["license"] == "Apache-2.0"
    assert re.search(r"Apache License\s+Version 2\.0", text)


def test_continuous_integration_runs_the_checks_and_the_tests() -> None:
    script = ROOT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert {"make check", "make test"} <= set(script.read_text().splitlines())
