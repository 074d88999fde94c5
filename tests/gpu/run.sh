#!/usr/bin/env bash
# What `make gpu` runs on a machine with a CUDA GPU, without network: build, then everything that
# needs the GPU, the most valuable evidence first. Each part is a process with a time limit and
# leaves its log, its JUnit report or its record in GPU_OUT at once, so that a part that hangs or
# fails, or a machine that is taken away, costs the others nothing.
#
#   GPU_PYTHON  any Python from 3.10 with NumPy, Pillow and pytest (default: python3)
#   CSAKIT_LIBRARY  a folder of libraries built elsewhere; without it, or where they do not load
#               or lack code for this GPU, nvcc, g++, CMake and Ninja build them here
#   GPU_OUT     where the results go (default: out/gpu)
#   GPU_PARTS   run these parts only, for example "build kernels timing"
#   GPU_SECONDS for all parts together (default: 840); what no time is left for is not run
#
# Exit code: 0 nothing failed, 1 something did, 3 there is no GPU or a package is missing.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 3
python=${GPU_PYTHON:-python3} out=${GPU_OUT:-out/gpu} total=${GPU_SECONDS:-840} status=0
export PYTHONPATH=$PWD/src:$PWD/tests${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
# The plugins of a rented machine's pytest are not ours; compiled objects are kept for a second run.
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 XDG_CACHE_HOME=$PWD/build/test-cache
PATH=$PATH:/usr/local/cuda/bin # ncu and nsys

timeout 60 "$python" -c 'import numpy, PIL, pytest' || exit 3
if ! timeout 60 "$python" -c 'from csakit.plugins.architectures import device_architectures as found
raise SystemExit(not found())'; then
  echo "no CUDA device: an NVIDIA GPU and its driver are needed; nothing was run" >&2
  exit 3
fi
mkdir -p "$out"

note() { echo "$*" | tee -a "$out/summary.txt"; }
part() {  # part NAME SECONDS COMMAND...: SIGINT lets pytest still write its report
  local name=$1 limit=$(($2 < total - SECONDS ? $2 : total - SECONDS)) begin=$SECONDS code outcome
  shift 2
  [[ " ${GPU_PARTS:-$name} " == *" $name "* ]] || return 0
  if ((limit < 1)); then
    status=1
    note "$name: not run, no time is left of $total s"
    return
  fi
  timeout --signal=INT --kill-after=15 "$limit" "$@" >"$out/$name.log" 2>&1
  code=$?
  case $code in
    0) outcome=passed ;;
    124 | 137) outcome="stopped after $limit s" ;;
    *) outcome="failed with exit code $code" ;;
  esac
  ((code == 0)) || status=1
  note "$name: $outcome, $((SECONDS - begin)) s: $(tail -n 1 "$out/$name.log")"
}
tool() {  # tool NAME SECONDS PROGRAM ARGUMENT...: a part for which a program may be missing
  [[ " ${GPU_PARTS:-$1} " == *" $1 "* ]] || return 0
  if command -v "$3" >/dev/null; then part "$@"; else note "$1: not run, $3 is not installed"; fi
}
tests() {  # tests NAME SECONDS FILE...: what the versions of this machine warn of is no defect
  local name=$1 limit=$2
  shift 2
  part "$name" "$limit" "$python" -m pytest -v -m gpu -W default -p no:cacheprovider \
    --continue-on-collection-errors --junitxml="$out/$name.xml" "$@"
}
main() {  # main NAME SECONDS MODULE ARGUMENT...: entry points exist only where csakit is installed
  local name=$1 limit=$2 module=$3
  shift 3
  part "$name" "$limit" "$python" -c "import sys; from csakit.$module import main; sys.exit(main())" "$@"
}

date -u +%FT%TZ >>"$out/summary.txt"
part machine 20 sh -c 'nvidia-smi; nvcc --version; git rev-parse HEAD; '"$python"' -V'
if ! timeout 60 "$python" -c 'from csakit.plugins.architectures import covers, device_architectures as found
from csakit.plugins.installed import library_status
status = library_status()
raise SystemExit(status.problem or not all(covers(status.architectures, gpu) for gpu in found()))' \
  2>"$out/library.txt"; then
  [[ -z ${CSAKIT_LIBRARY:-} ]] || note "$CSAKIT_LIBRARY: not usable on this GPU, built anew"
  unset CSAKIT_LIBRARY
  main build 300 runtime.cli.plugin build --arch native
fi
part kernels 60 "$python" -m gpu.sanitizer_driver
part times 60 "$python" -m gpu.driver_timing "$out/times.json"
# The five kernels of the first captured call, behind the one that loads them.
tool profile 60 ncu --clock-control none --launch-skip 5 --launch-count 5 --section LaunchStats \
  --section SpeedOfLight --section WarpStateStats "$python" -m gpu.driver_timing "$out/profile.json" 1
tool trace 40 nsys profile --stats=true --cuda-graph-trace=node --force-overwrite=true \
  --output="$out/trace" "$python" -m gpu.driver_timing "$out/trace.json" 1
main timing 60 benchmarks.cli attention --backends cuda,cuda-graph --holes 225,512 --batch 1,16 \
  --dtype float16 --seconds 0.5 --json "$out/timing.json"
main cosine 45 benchmarks.cli attention --backends cuda,cuda-graph --holes 225,512 --batch 1 \
  --dtype float16 --similarity cosine --seconds 0.5 --json "$out/cosine.json"
tests sanitizer 240 tests/gpu/test_sanitizer.py
tests operator 180 tests/plugins/test_kernels.py tests/plugins/test_kernels_rounds.py \
  tests/plugins/test_kernels_degenerate.py tests/plugins/test_kernels_replay.py \
  tests/plugins/test_enqueue.py tests/plugins/test_architectures.py
tests gradient 120 tests/train/attention/*_gpu.py
main benchmark 120 benchmarks.cli attention --backends python-loop-cuda,torch-cuda,cuda,cuda-graph \
  --holes 1,128,225,1023 --batch 1 --dtype float16 --seconds 0.5 --json "$out/benchmark.json"
main float32 60 benchmarks.cli attention --backends torch-cuda,cuda,cuda-graph --holes 225 --batch 1 \
  --dtype float32 --seconds 0.5 --json "$out/float32.json"
tests device 120 tests/runtime/device tests/runtime/engine/test_engine_session.py \
  tests/runtime/engine/test_engine_trouble.py tests/benchmarks/test_engine_overhead.py \
  tests/benchmarks/attention/test_cuda_forms.py
tests models 200 tests/gpu/test_whole_models.py tests/runtime/sessions/test_ort_cuda_session.py
if "$python" -c 'from importlib.util import find_spec as found
raise SystemExit(not (found("tensorrt") or found("tensorrt_rtx")))'; then
  tests engines 200 tests/export/engine/test_engine_gpu.py tests/export/parity/test_verify_engine_gpu.py
else # these would export models before they notice
  note "engines: not run, there is no TensorRT"
fi
echo "results: $out"
exit "$status"
