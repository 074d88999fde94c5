"""An empty home, in which a command shows what it leaves behind."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

# Copies of models, and what libraries keep that were asked to draw or to read a sample picture.
EXPECTED: Final = (
    *(".cache/csakit/", ".config/matplotlib/", ".cache/matplotlib/", ".cache/scikit-image/"),
)
MAIN: Final = "import sys; from csakit.runtime.cli.main import main; sys.exit(main(sys.argv[1:]))"


class Home:
    """An empty home, and a working folder beside it."""

    def __init__(self, folder: Path) -> None:
        self.home, self.work = folder / "home", folder / "work"
        self.home.mkdir()
        self.work.mkdir()

    def python(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        unset = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "ORT_DISABLE_TELEMETRY")
        env = {key: value for key, value in os.environ.items() if key not in unset}
        env |= {"HOME": str(self.home), **variables}
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(
            command, cwd=self.work, env=env, capture_output=True, text=True, timeout=300
        )

    def left(self) -> list[str]:
        """List the files that nobody asked for."""
        found = [path.relative_to(self.home) for path in self.home.rglob("*") if path.is_file()]
        return [str(path) for path in found if not str(path).startswith(EXPECTED)]
