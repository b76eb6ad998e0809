"""Training on images that do not fit into memory: how much memory, and how many images a second, in every layout?

    python benchmarks/data_streaming.py --data /tmp/streaming            # 200,000 pictures of 64x64x3; makes 10 GB
    python benchmarks/data_streaming.py --data /tmp/streaming --hold nice --rounds 5

Draws pictures and writes them as a folder of PNG files, tar shards, Parquet tables and ``.npy`` shards. Then, for each:

* a process trains a model by ``mg.train``, from the first look at the files to validation and the picture of the epoch;
  its peak memory is the kernel's high-water mark of resident memory (VmHWM). Files are read, not mapped, so the page
  cache is no part of it. Beside it stand the same with a set of 512 pictures (what the program and the model take), and
  with all of the pictures in memory;
* a process holds the images both in memory and in their files, and trains on batches of the two in turns of some steps:
  images a second, the median over the turns, with one thread and with two. Before, the files were read once, so that
  they lie in the page cache as far as there is room.

Writes ``benchmarks/results/data-streaming-<cpu>.json``.

Imports: minigen, minigen_bench. Read next: ``minigen/data/stored.py``.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import io
import itertools
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import checkout  # noqa: F401
import numpy as np

from minigen_bench.harness import processor
from minigen_bench.tables import slug

HERE = Path(__file__).resolve().parent
LAYOUTS = ("folder", "tar", "parquet", "npy")
CLASSES = 10
SHARD = 10_000  # pictures in a tar, Parquet or .npy shard
AT_ONCE = 500  # pictures drawn at a time
UNTIMED, TIMED = 4, 8  # steps of a turn


def draw(first: int, count: int, side: int) -> np.ndarray:
    """Pictures (count, side, side, 3): a disc on a slope of colour, with some noise. The class is its hue."""
    rng = np.random.default_rng(first)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    centre, radius = rng.uniform(0.2, 0.8, (2, count, 1, 1, 1)), rng.uniform(0.1, 0.4, (count, 1, 1, 1))
    below, above = rng.uniform(0, 255, (2, count, 1, 1, 3))
    disc = (x[..., None] - centre[0]) ** 2 + (y[..., None] - centre[1]) ** 2 < radius**2
    hue = np.array([labels(first, count) * 25, 255 - labels(first, count) * 25, np.full(count, 128)]).T
    ground = below + (above - below) * y[..., None]
    noise = rng.normal(0, 2, (32, side, side, 3)).astype(np.float32)
    noisy = np.where(disc, hue[:, None, None], ground).astype(np.float32) + noise[rng.integers(0, 32, count)]
    return noisy.clip(0, 255).astype(np.uint8)


def labels(first: int, count: int) -> np.ndarray:
    return np.arange(first, first + count) % CLASSES


def png(x: np.ndarray) -> bytes:
    image = importlib.import_module("PIL.Image")
    file = io.BytesIO()
    image.fromarray(x).save(file, "PNG")
    return file.getvalue()


def shards(count: int, side: int) -> Iterator[tuple[int, np.ndarray, list[bytes]]]:
    """(first, pictures, the same as PNG files) of each shard.

    All shards have the pictures of the first, in another order: to draw 200,000 would take longer than to train on
    them, and neither memory nor speed depends on it.
    """
    size = min(SHARD, count)
    x = np.concatenate([draw(k, min(AT_ONCE, size - k), side) for k in range(0, size, AT_ONCE)])
    with ThreadPoolExecutor(2) as pool:
        files = list(pool.map(png, x))
    for number, first in enumerate(range(0, count, SHARD)):
        places = np.roll(np.arange(size), CLASSES * number)[: count - first]
        yield first, x[places], [files[k] for k in places]


def make(folder: Path, count: int, side: int) -> None:
    """Write the pictures in every layout."""
    pa, pq = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    for layout in LAYOUTS:
        (folder / layout).mkdir(parents=True)
    for k in range(CLASSES):
        (folder / "folder" / f"class-{k}").mkdir()
    features = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": [f"class-{k}" for k in range(10)]},
    }
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    total = -(-count // SHARD)
    for number, (first, x, files) in enumerate(shards(count, side)):
        y = labels(first, len(x))
        np.save(folder / "npy" / f"x-{number:05}.npy", x)
        np.save(folder / "npy" / f"y-{number:05}.npy", y)
        with tarfile.open(folder / "tar" / f"pictures-{number:05}.tar", "w") as archive:
            for k, data in enumerate(files):
                (folder / "folder" / f"class-{y[k]}" / f"{first + k:07}.png").write_bytes(data)
                for suffix, content in (("png", data), ("cls", str(y[k]).encode())):
                    member = tarfile.TarInfo(f"{first + k:07}.{suffix}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
        column = pa.array([{"bytes": data, "path": f"{first + k}.png"} for k, data in enumerate(files)])
        table = pa.table({"image": column, "label": y}).replace_schema_metadata(metadata)
        pq.write_table(table, folder / "parquet" / f"train-{number:05}-of-{total:05}.parquet", row_group_size=100)
        print(f"made {first + len(x):,} of {count:,}", flush=True)
    few = folder / "few"
    few.mkdir()
    np.save(few / "x.npy", draw(0, 512, side))
    np.save(few / "y.npy", labels(0, 512))
    (folder / "made.json").write_text(json.dumps({"count": count, "side": side}))


def memory(path: str, stream: str, model: str, steps: int) -> dict[str, Any]:
    """The peak memory of a whole training of some steps, in MB, and how long it took until the first step."""
    mg = importlib.import_module("minigen")
    began = time.perf_counter()
    data = importlib.import_module("minigen.data").load(path, stream=stream == "stream")
    loaded = time.perf_counter() - began
    before = status()
    del data
    run = mg.train(model, data=path, stream=stream == "stream", max_steps=steps, progress=False, doctor=True)
    run.reconstruct(run.images("test").subset(slice(2000)))
    return {"load_seconds": loaded, "loaded_mb": before["VmRSS"], "peak_mb": status()["VmHWM"]}


def status() -> dict[str, float]:
    """Fields of ``/proc/self/status`` in MB."""
    lines = [line.split() for line in Path("/proc/self/status").read_text().splitlines() if line.endswith(" kB")]
    return {name.rstrip(":"): int(value) / 1000 for name, value, _ in lines}


def speed(path: str, model: str, threads: int, seconds: float, workers: int) -> dict[str, Any]:
    """Images a second in memory and streamed, in turns."""
    mg = importlib.import_module("minigen")
    data = importlib.import_module("minigen.data")
    prepare = importlib.import_module("minigen.training.prepare")
    find = importlib.import_module("minigen.algorithms.catalog").find_recipe
    recipe = find(model)
    stored = data.load(path, stream=True)
    loaded = data.load(Path(path).parent / "npy", stream=False)  # the same pictures, without decoding them once more
    mg.set_num_threads(threads)
    facts = {
        "image_shape": stored.image_shape, "value_range": stored.value_range, "mean": 0.5, "classes": None,
        "batches_per_epoch": 1000,
    }  # fmt: skip
    settings = {**importlib.import_module("minigen.training.config").DEFAULTS, **recipe.options, "model": model}
    experiment = prepare.build(recipe, settings, facts, "cpu")
    sources = {"memory": loaded, "streamed": stored}
    batches = {
        name: data.Batches(one, settings["batch_size"], seed=1, workers=workers) for name, one in sources.items()
    }
    coming = {name: itertools.chain.from_iterable(itertools.repeat(one)) for name, one in batches.items()}
    for name in coming:
        experiment.step(next(coming[name]))
    times: dict[str, list[float]] = {name: [] for name in coming}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name in coming:
            for _ in range(UNTIMED):  # batches read ahead while the other was timed are no gift
                experiment.step(next(coming[name]))
            start = time.perf_counter()
            for _ in range(TIMED):
                experiment.step(next(coming[name]))
            times[name].append(TIMED * settings["batch_size"] / (time.perf_counter() - start))
    rates = {name: statistics.median(some) for name, some in times.items()}
    return {
        **{f"{name}_images_per_second": rate for name, rate in rates.items()},
        "ratio": rates["streamed"] / rates["memory"],
    }


def ask(hold: str, *words: object) -> dict[str, Any]:
    """What another process of this script measures."""
    command = [*shlex.split(hold), sys.executable, __file__, *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)} failed")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder for the pictures; made if it is not there")
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--model", default="conv-ae")
    parser.add_argument("--steps", type=int, default=40, help="of the training whose memory is measured")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement of speed")
    parser.add_argument("--layouts", default=",".join(LAYOUTS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--hold", default="", help="words before each command that measures speed")
    parser.add_argument("--keep", action="store_true", help="leave the pictures there")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder for the result")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)  # in the measured process
    options = parser.parse_args()
    if options.measure:
        what, path, more = options.measure
        if what == "memory":
            print(json.dumps(memory(path, more, options.model, options.steps)))
        else:
            print(json.dumps(speed(path, options.model, int(more), options.seconds, options.workers)))
        return
    if not (options.data / "made.json").exists():
        shutil.rmtree(options.data, ignore_errors=True)
        make(options.data, options.count, options.side)
    result: dict[str, Any] = {
        "date": str(datetime.date.today()),
        "machine": {"cpu": processor(), "system": platform.platform(), "cores": os.cpu_count()},
        "pictures": json.loads((options.data / "made.json").read_text()),
        "model": options.model,
        "workers": options.workers,
        "few": ask(
            "", "--data", options.data, "--model", options.model, "--measure", "memory", options.data / "few", "memory"
        ),
        "layouts": {},
    }
    for layout in options.layouts.split(","):
        path, common = options.data / layout, ("--data", options.data, "--model", options.model)
        found: dict[str, Any] = {}
        timing = (*common, "--seconds", options.seconds, "--workers", options.workers, "--steps", options.steps)
        for name in ("stream", "memory"):
            found[name] = ask("", *timing, "--measure", "memory", path, name)
            print(layout, name, found[name], flush=True)
        for threads in (1, 2):
            found[f"{threads}_threads"] = ask(options.hold, *timing, "--measure", "speed", path, threads)
            print(layout, f"{threads} threads", found[f"{threads}_threads"], flush=True)
        result["layouts"][layout] = found
    file = options.out / f"data-streaming-{slug(result['machine']['cpu'])}.json"
    file.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {file}")
    if not options.keep:
        shutil.rmtree(options.data)


if __name__ == "__main__":
    main()
