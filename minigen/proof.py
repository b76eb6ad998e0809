"""Is this GPU proven? What ``minigen prove`` has kept in the cache folder, and what `--device auto` makes of it.

A proof is a JSON file for exactly one combination of device, driver, libraries and kernels. A new driver, or one
changed letter in a kernel, asks for a new one. A proof that is damaged or cannot be read is none.

Imports: device, cache, kernels. Read next: ``proving/procedure.py``, which makes the proofs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import minigen
import minigen_kernels
from minigen.cache import cache_folder
from minigen.device import Device, check_device, cuda_facts, cuda_status

PASSED, FAILED, UNFINISHED = "passed", "failed", "unfinished"
ADVICE = "`minigen prove` tries all of them on it, in a minute or two"


def choose_device(wanted: str) -> tuple[Device, str]:
    """Resolve "auto", "cpu" or "cuda" to a device and one line that says what was chosen and why.

    "cuda" without a working GPU raises RuntimeError with the reason. "auto" takes the GPU where it works and is proven.
    """
    if wanted != "auto":
        device = check_device(wanted)
        return device, device if device == "cpu" else f"cuda ({cuda_status()[1]})"
    usable, text = cuda_status()
    if not usable:
        return "cpu", f"cpu (auto: {text})"
    proven, why = is_proven()
    return ("cuda", f"cuda (auto: {text}, {why})") if proven else ("cpu", f"cpu (auto: {text} works, but {why})")


def is_proven() -> tuple[bool, str]:
    """Is the current GPU, which works, proven with all that it now runs with? Also why, or why not, in a few words."""
    try:
        now = cuda_subject()
    except Exception as error:  # a class of CuPy's
        return False, f"it does not say what it is ({type(error).__name__}: {_reason(error)})"
    path = proof_path(now)
    try:
        proof = read_proof(path)
        if proof["subject"] != now:
            raise ValueError("it is of something else")
    except FileNotFoundError:
        return False, _unproven(now)
    except (OSError, ValueError) as error:
        return False, f"its proof {path} cannot be used ({_reason(error)}); `minigen prove` makes a new one"
    if proof["verdict"] == PASSED:
        return True, f"proven on {proof['date'][:10]}"
    if proof["verdict"] == FAILED:
        faults, more = ", ".join(proof["faults"][:5]), len(proof["faults"]) - 5
        return False, f"`minigen prove` failed on it: {faults}{f' and {more} more' if more > 0 else ''}; see {path}"
    return False, f"`minigen prove` did not come to its end, it was at {proof['running']}; see {path}, or run it again"


def cuda_subject() -> dict[str, str]:
    """What a proof on the current GPU is of."""
    return {**cuda_facts(), "kernels": digest_of_kernels("cuda"), "minigen": minigen.__version__}


def digest_of_kernels(room: str) -> str:
    """Of the sources of a room of kernels and of the reference, which says what is right."""
    found = hashlib.sha256()
    folder = Path(minigen_kernels.__file__).parent
    for path in sorted(p for name in ("reference", room) for p in (folder / name).iterdir()):
        if path.suffix in (".py", ".cu", ".cuh"):
            found.update(f"{path.parent.name}/{path.name}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def proof_path(subject: Mapping[str, str]) -> Path:
    """Where the proof of a subject is kept; it need not be there."""
    name = "-".join("".join(c if c.isalnum() else " " for c in subject["device"].lower()).split())
    digest = hashlib.sha256(json.dumps(subject, sort_keys=True).encode()).hexdigest()[:12]
    return cache_folder() / "proofs" / f"{name[:60]}-{digest}.json"


def read_proof(path: Path) -> dict[str, Any]:
    """The proof in a file. OSError if it cannot be read, ValueError if it is no proof."""
    proof = json.loads(path.read_bytes())
    wanted = {"subject": dict, "verdict": str, "date": str, "faults": list, "running": str}
    if not isinstance(proof, dict) or any(not isinstance(proof.get(key), kind) for key, kind in wanted.items()):
        raise ValueError("it is no proof")
    if proof["verdict"] not in (PASSED, FAILED, UNFINISHED) or not all(isinstance(x, str) for x in proof["faults"]):
        raise ValueError("it is no proof")
    return proof


def _unproven(now: Mapping[str, str]) -> str:
    """In words: there is no proof; or what has changed since the one that comes closest."""
    fewest: list[str] | None = None
    try:
        for path in sorted(cache_folder().joinpath("proofs").glob("*.json")):
            try:
                proof = read_proof(path)
            except (OSError, ValueError):
                continue
            before = proof["subject"]
            if proof["verdict"] == PASSED and before.keys() == now.keys():  # that of a CPU has others
                changes = [f"{key} {before[key]}, now {now[key]}" for key in now if before[key] != now[key]]
                if fewest is None or len(changes) < len(fewest):
                    fewest = changes
    except OSError as error:
        return f"proofs cannot be read ({_reason(error)})"
    if fewest is None:
        return f"the kernels are not proven on it; {ADVICE}"
    return f"its proof is of another state ({'; '.join(fewest)}); `minigen prove` makes a new one"


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error).partition("\n")[0]
