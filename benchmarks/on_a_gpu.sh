#!/usr/bin/env bash
# What should be measured by whoever has a GPU for ten minutes: proof, tests, speed beside PyTorch and JAX, sizes of tiles,
# launches. Run it from anywhere, in the environment in which minigen is installed:
#
#     bash benchmarks/on_a_gpu.sh [FOLDER]           # default: gpu-results in this folder
#     QUICK=1 PYTHONPATH=tests/cuda_double bash benchmarks/on_a_gpu.sh      # to try the script without a GPU
#
# Every part ends by itself, and one that fails, lacks a package or takes too long does not stop the rest. Results are
# written as they come: FOLDER/summary.md, JSON files, and the output of each part in FOLDER/PART.txt.
set -u
out=$(mkdir -p "${1:-gpu-results}" && cd "${1:-gpu-results}" && pwd) || exit 1
cd "$(dirname "$0")/.." || exit 1
root=$PWD
PYTHONPATH=${PYTHONPATH:+$(python -c 'import os, sys; print(os.pathsep.join(map(os.path.abspath, sys.argv[1].split(os.pathsep))))' "$PYTHONPATH"):}$root:$root/kernels
export PYTHONPATH
models="dense-ae conv-ae vae gan dcgan wgan-gp"
speed=(--rounds 6) tiles=(--batch-size 128)
peers=minigen-captured,torch,torch-compile,jax
if [ -n "${QUICK:-}" ]; then # a few steps: only whether it runs
  models="dense-ae conv-ae"
  speed=(--rounds 1 --steps 1 --batch-size 2) tiles=(--batch-size 1 --rounds 1 --constants RESIDENT)
fi
rm -f "$out/parts.tsv"

part() { # NAME SECONDS COMMAND...: the command, for so long at most; its end is written down at once
  local name=$1 most=$2 start=$SECONDS code
  shift 2
  printf '%-18s ' "$name"
  timeout --kill-after=10 "$most" "$@" > "$out/$name.txt" 2>&1
  code=$?
  printf '%s\t%s\t%s\t%s\n' "$name" "$code" "$((SECONDS - start))" "$most" >> "$out/parts.tsv"
  python benchmarks/on_a_gpu_summary.py "$out"
  case $code in 0) echo "done in $((SECONDS - start)) s" ;; 124 | 137) echo "not done after $most s" ;;
    *) echo "FAILED with code $code: $(tail -n 1 "$out/$name.txt")" ;; esac
}

part info 60 python -m minigen info --json
part prove 180 python -m minigen prove --device cuda --json "$out/prove.json" --force ${QUICK:+--only kernels}
part launches 90 python benchmarks/launches.py --out "$out/launches.json" ${QUICK:+--models ae,vae}
part launches-double 90 env PYTHONPATH="$root/tests/cuda_double:$PYTHONPATH" python benchmarks/launches.py --out "$out/launches-double.json" ${QUICK:+--models ae,vae}
for model in $models; do
  part "speed-$model" 150 python benchmarks/run.py --device cuda --peers "$peers" --models "$model" --out "$out/speed-$model" "${speed[@]}"
done
part tests 180 python -m pytest -q -p no:cacheprovider -m gpu --junitxml="$out/tests.xml" ${QUICK:+-k erf}
part tiles 240 python benchmarks/conv_tiles.py --out "$out/tiles.json" "${tiles[@]}"
echo "All of it: $out/summary.md"
