"""A tree of native sources that compiles in a second, for tests of the build itself."""

from pathlib import Path
from typing import Final

from csakit.plugins.sources import CSRC, INCLUDE

KERNEL: Final = """#include "shared.h"
__global__ void addKernel(float* x) { x[threadIdx.x] += kAdded; }
void launchAdd(float* x) { addKernel<<<1, 32>>>(x); }
"""
ABI: Final = """#pragma GCC visibility push(default)
extern "C" {
int csakit_abi_version(void) { return 1; }
const char* csakit_build_info(void) {
  return "{\\"version\\": \\"" CSAKIT_VERSION "\\", \\"source_hash\\": \\"" CSAKIT_SOURCE_HASH
         "\\", \\"compiler\\": \\"" CSAKIT_COMPILER "\\", \\"architectures\\": \\""
         CSAKIT_ARCHITECTURES "\\"}";
}
const char* csakit_status_string(int) { return ""; }
const char* csakit_last_error(void) { return ""; }
int csakit_attention_workspace_size(void) { return 0; }
int csakit_attention_forward(void) { return 0; }
int csakit_attention_backward(void) { return 0; }
void internal_function(void) {}
}
"""


def write_sources(root: Path) -> Path:
    """Write ``csrc`` and ``include`` into a folder; return ``csrc``."""
    csrc, include = root / "csrc", root / INCLUDE.name
    csrc.mkdir(parents=True)
    include.mkdir()
    (csrc / "add.cu").write_text(KERNEL)
    (csrc / "shared.h").write_text("constexpr float kAdded = 1.0F;\n")
    (csrc / "abi.cpp").write_text(ABI)
    (csrc / "exports.map").write_text((CSRC / "exports.map").read_text())
    (csrc / "sources.txt").write_text("# group file\nkernels add.cu\nkernels abi.cpp\n")
    return csrc
