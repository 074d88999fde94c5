"""A tree of native sources that compiles in a second, for tests of the build itself."""

from pathlib import Path
from typing import Final

from csakit.plugins.locations import CSRC, INCLUDE, PACKAGE

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
    """Write ``csrc``, ``include`` and CMakeLists.txt into a folder; return ``csrc``."""
    csrc, include = root / "csrc", root / INCLUDE.name
    (csrc / "abi").mkdir(parents=True)
    include.mkdir()
    (include / "csakit.h").touch()
    (root / "CMakeLists.txt").write_text((PACKAGE / "CMakeLists.txt").read_text())
    (csrc / "add.cu").write_text(KERNEL)
    (csrc / "shared.h").write_text("constexpr float kAdded = 1.0F;\n")
    (csrc / "abi" / "abi.cpp").write_text(ABI)
    (csrc / "exports.map").write_text((CSRC / "exports.map").read_text())
    (csrc / "sources.txt").write_text("# group file\nkernels add.cu\nkernels abi/abi.cpp\n")
    return csrc
