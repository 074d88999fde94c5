"""Rules that the repository keeps about itself; see CONTRIBUTING.md."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from csakit.runtime.cli.main import SUMMARIES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).parents[1]
LAYERS = ("plugins", "runtime", "train", "export", "benchmarks")  # each may import those before
FRAMEWORK_FREE = ("plugins", "runtime")
FRAMEWORKS = {"torch", "torchvision", "onnx", "onnxscript", "safetensors", "skimage"}
# one runs models, one is asked whether it works
ORT_IMPORTERS = {"ort_session.py", "package_checks.py"}
MAX_FUNCTION_LINES = 60
OLDEST_PYTHON = (3, 10)

SOURCES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_source = pytest.mark.parametrize("path", SOURCES, ids=name_of)
each_file = pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name_of)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def imports(path: Path) -> Iterator[str]:
    """Name every imported module in full, those imported inside functions too."""
    package = ["csakit", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if called in ("import_module", "__import__"):
                yield from (a.value for a in node.args if isinstance(a, ast.Constant))


@each_source
def test_imports_point_to_lower_layers(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    used = set(imports(path))

    own = {name.split(".")[1] for name in used if name.startswith("csakit.")}

    assert own <= set(LAYERS[: LAYERS.index(layer) + 1])
    assert not {name.split(".")[0] for name in used} & {*LAYERS, "tests"}  # a second copy


@each_source
def test_plugins_and_runtime_import_no_framework_not_even_inside_functions(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}

    if path.relative_to(ROOT).parts[0] in FRAMEWORK_FREE:
        assert not used & FRAMEWORKS
        assert "onnxruntime" not in used or path.name in ORT_IMPORTERS


@pytest.mark.parametrize(
    "statement",
    [
        "import csakit.runtime",
        "from csakit.runtime.cli.main import main; main(['--help'])",
        "from csakit.runtime.cli.main import main; main(['--version'])",
        "from csakit.runtime.cli.inpaint_arguments import inpaint_parser; inpaint_parser()",
    ],
)
def test_what_only_starts_loads_no_framework(statement: str) -> None:
    names = (*FRAMEWORKS, "onnxruntime", "openvino")
    program = f"{statement}\nimport sys\nsys.exit(' '.join({{*{names}}} & sys.modules.keys()) or 0)"

    finished = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert (finished.returncode, finished.stderr) == (0, "")


@each_file
def test_functions_are_short(path: Path) -> None:
    long = [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]

    assert not long


@each_file
def test_the_oldest_python_can_read_every_file(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=OLDEST_PYTHON)


@each_file
def test_nothing_is_left_to_do(path: Path) -> None:
    marks = re.findall("T[O]DO|FIX[M]E|X[X]X", path.read_text())

    assert not marks


def test_every_package_is_listed_and_typed(project: dict[str, Any]) -> None:
    marks = {path for top in ROOT.glob("*/__init__.py") for path in top.parent.rglob(top.name)}
    folders = {mark.parent.relative_to(ROOT) for mark in marks}

    listed = project["tool"]["setuptools"]
    packages = {f"csakit.{'.'.join(folder.parts)}": folder.as_posix() for folder in folders}
    assert {folder.parts[0] for folder in folders} == set(LAYERS)
    assert sorted(listed["packages"]) == sorted(packages)
    assert listed["package-dir"] == {f"csakit.{layer}": layer for layer in LAYERS}
    assert [folder for folder in folders if not (ROOT / folder / "py.typed").is_file()] == []
    assert not (ROOT / "__init__.py").exists()  # csakit is a namespace package


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
