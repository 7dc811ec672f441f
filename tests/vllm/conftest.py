"""One engine serves all tests of this folder; ``two_backends`` is importable from them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from holdfast.types import Subject

sys.path.append(str(Path(__file__).parent))

from two_backends import RANKS, Stage, write_adapter


@pytest.fixture(scope="session")
def stage(tmp_path_factory) -> Stage:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["VLLM_CPU_KVCACHE_SPACE"] = "1"
    from holdfast.config.study import ModelSpec
    from holdfast.models.backend import InProcess
    from holdfast.models.network import load
    from holdfast.models.vllm_engine import VLLM

    spec = ModelSpec(name="miniature", path="package:holdfast.miniature/model", dtype="float32", device="cpu")
    network, folder = load(spec, threads=1), tmp_path_factory.mktemp("adapters")
    paths = [write_adapter(network, folder / f"rank-{rank}", rank) for rank in RANKS]
    ours = InProcess(network)
    # Fewer slots than adapters, all of them in use: what is wrong with a slot then shows.
    vllm = VLLM(spec, paths, slots=3)
    whom = [Subject("", "miniature"), *(Subject("", "miniature", str(path)) for path in paths)]
    subjects = [Subject(ours.identity(s), s.model, s.adapter) for s in whom]
    yield Stage(ours, vllm, subjects, folder)
    vllm.close()
