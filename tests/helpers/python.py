"""Programs in a Python of their own."""

import subprocess
import sys


def run_program(program: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a program; what it prints is text."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def succeed(program: str, *arguments: object) -> str:
    """Run a program that must end well; return what it prints."""
    done = run_program(program, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout
