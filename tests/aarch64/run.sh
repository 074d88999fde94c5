#!/usr/bin/env bash
# What `make test-aarch64` runs on an x86-64 machine: the plugin is compiled for Jetson Orin, and
# tests of the library's host code and of the runtime run on an emulated aarch64 processor. No GPU
# is emulated: kernels run as the tests' CPU runs them.
#
#   BUILD_PYTHON     path of a Python with csakit and pip (default: .venv/bin/python)
#   AARCH64_SECONDS  time limit of the tests (default: 2400)
#
# Exit code: 0 nothing failed, 1 something did, 3 something is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${BUILD_PYTHON:-$PWD/.venv/bin/python} folder=$PWD/build/aarch64
root=$folder/root site=$folder/site bin=$folder/bin
mkdir -p "$bin"

missing=()
need() { command -v "$1" >/dev/null || missing+=("$1 ($2)"); }
need qemu-aarch64-static "Debian, Ubuntu: qemu-user-static"
need aarch64-linux-gnu-g++ "g++-aarch64-linux-gnu"
need apt-get "aarch64 packages of Debian or Ubuntu, for Python"
need dpkg-deb "dpkg"
[[ -x $python ]] || missing+=("$python (make install)")
if ((${#missing[@]})); then
  printf 'missing: %s\n' "${missing[@]}" >&2
  exit 3
fi

# Debian's Python and C library, unpacked beside the system: nothing is installed.
if [[ ! -x $root/usr/bin/python3 ]]; then
  apt=$folder/apt
  mkdir -p "$apt"/lists/partial "$apt"/archives/partial
  : >"$apt/status"
  options=(-o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root
    -o "Dir::State=$apt" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt")
  apt-get "${options[@]}" -qq update
  apt-get "${options[@]}" -qq -y --no-install-recommends --download-only install python3 libstdc++6
  for package in "$apt"/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
  # ONNX Runtime asks it for the processor; the emulator would show the host's: 0xd42 is Orin's.
  mkdir -p "$root/proc"
  for core in 0 1; do
    printf '%s\n' "processor : $core" "Features : fp asimd aes crc32 atomics fphp asimdhp asimddp" \
      "CPU implementer : 0x41" "CPU architecture: 8" "CPU variant : 0x0" "CPU part : 0xd42" ""
  done >"$root/proc/cpuinfo"
fi
cat >"$bin/python3" <<EOF
#!/bin/sh
export PYTHONHOME='$root/usr' PYTHONPATH='$site:$PWD/src:$PWD/tests'
exec qemu-aarch64-static -cpu cortex-a76 -L '$root' -0 "\$0" '$root/usr/bin/python3' "\$@"
EOF
chmod +x "$bin/python3"
version=$("$bin/python3" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ln -sf "$(command -v aarch64-linux-gnu-g++)" "$bin/g++" # for what tests compile
ln -sf "$(command -v aarch64-linux-gnu-gcc)" "$bin/cc"

fetch() {  # fetch FOLDER PACKAGE...: unpack wheels of aarch64
  "$python" -m pip install --quiet --upgrade --target "$1" --python-version "$version" \
    --only-binary=:all: --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
    --platform manylinux2014_aarch64 "${@:2}"
}
[[ -d $site/skimage ]] ||
  fetch "$site" -c constraints.txt numpy pillow msgspec onnx onnxruntime scikit-image tifffile \
    hypothesis pytest

# nvcc compiles for Orin; where its toolkit lacks the aarch64 runtime, NVIDIA's wheel has it.
lib=$folder/lib libraries=()
if nvcc=$("$python" -c 'from csakit.plugins.toolchain import find_nvcc; print(find_nvcc()[0])' 2>&1)
then
  home=$("$nvcc" --dryrun -x cu /dev/null 2>&1 | sed -n 's/^#\$ _HERE_=//p' | head -1)/..
  release=$("$nvcc" --version | sed -nE 's/.*release ([0-9.]+),.*/\1/p')
  if ! compgen -G "$home/targets/*/lib/libcudart_static.a" | grep -qE 'aarch64|sbsa'; then
    [[ -d $folder/wheel ]] || fetch "$folder/wheel" "nvidia-cuda-runtime==$release.*"
    target=$folder/cuda/targets/aarch64-linux
    mkdir -p "$folder/cuda/bin" "$target"
    ln -sfn "$home"/bin/* "$folder/cuda/bin"
    rm "$folder/cuda/bin/nvcc"
    cp "$home/bin/nvcc" "$folder/cuda/bin" # a link would find its own toolkit
    ln -sfn "$home/nvvm" "$home/include" "$folder/cuda"
    ln -sfn "$home/include" "$target/include"
    ln -sfn "$folder"/wheel/nvidia/cu*/lib "$target/lib"
    home=$folder/cuda
  fi
  CUDA_HOME=$home NVCC_CCBIN=aarch64-linux-gnu-g++ "$python" -m csakit.runtime.cli plugin build \
    --arch sm_87 --warnings-as-errors --output "$lib"
  libraries=(tests/plugins/test_library.py)
else
  printf 'not compiled for Orin: %s\n' "$nvcc" >&2
fi

export PATH=$bin:$PATH CSAKIT_LIBRARY=$lib
timeout --signal=INT "${AARCH64_SECONDS:-2400}" "$bin/python3" -m pytest -q -p no:cacheprovider \
  --junitxml="$folder/tests.xml" "${libraries[@]}" tests/plugins/test_abi.py \
  tests/plugins/test_reference.py tests/plugins/test_kernels_contract.py \
  tests/runtime/images/test_{decode,encode,mask,source}.py tests/runtime/tensors \
  tests/runtime/crops/test_{blend,plan,repair,resample}.py tests/runtime/engine/test_manifest.py \
  tests/runtime/models tests/runtime/sessions/test_ort_copy.py \
  --deselect "tests/runtime/sessions/test_ort_copy.py::test_processes_that_start_at_once_agree_and_leave_one_entry"
