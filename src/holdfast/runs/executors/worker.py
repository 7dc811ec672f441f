"""What a worker is, on whatever machine: a process of one thread that does a job and tells of it."""

from __future__ import annotations

import pickle
import traceback
from importlib.metadata import PackageNotFoundError, version

from holdfast.types import UserError

# One thread: sums come out the same whatever the machine's load. Large tensors on huge pages, torch's own switch: what
# a training step takes at its height is a third less (freed pieces go back to the system, or fit what is asked for
# next), and it is some 5% faster.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "THP_MEM_ALLOC_ENABLE": "1",
}

DECISIVE = ("holdfast", "torch", "transformers", "tokenizers", "peft", "numpy")  # what numbers depend on


def software() -> dict[str, str]:
    """Versions of what decides results, without loading it. Builds for a GPU and for none count as the same."""
    found = dict.fromkeys(DECISIVE, "none")
    for name in DECISIVE:
        try:
            found[name] = version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
    return found


def sendable(error: Exception) -> Exception:
    """The error as whoever gave the job raises it; any but a user's mistake with the worker's traceback as a note."""
    if not isinstance(error, UserError):
        error.add_note(f"in a worker:\n{traceback.format_exc()}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # an exception that needs more than its message to be made again
        return RuntimeError(f"{type(error).__name__}: {error}\n\nin a worker:\n{traceback.format_exc()}")
    return error
