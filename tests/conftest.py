"""What tests of several rooms share."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # there are as many workers as cores: threads would only wait
    os.environ.setdefault(_name, "1")

# Folders that one worker runs whole, for what their tests share is dear to make; of all others a worker takes a file
# at a time. These and those with long files come first, so that no worker is left with one at the end.
WHOLE = ("tests/report/", "tests/runs/pipeline/")
LONG = tuple(f"tests/{x}/" for x in ("training", "oracles", "evals", "interop", "models", "analysis", "docs", "runs"))

TESTS = Path(__file__).parent
DATA = Path(os.environ.get("HOLDFAST_TEST_DATA", Path(__file__).parents[1] / "../shared/data"))


def pytest_configure(config: pytest.Config) -> None:
    """Each worker begins with other files: what one has compiled (6 s of a processor in all) the others only read."""
    worker = getattr(config, "workerinput", None)
    if worker and [Path(a).resolve() for a in config.args] == [TESTS]:
        files = sorted(map(str, TESTS.rglob("test_*.py")))
        first = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
        config.args = files[first:] + files[:first]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (not item.nodeid.startswith(WHOLE), not item.nodeid.startswith(LONG), item.path))


def pytest_collection_finish() -> None:
    """What is there now stays, so no garbage collection need look at it (statsmodels asks for one at every call)."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Groups by folder and file. pytest-xdist's own, by marks, are silently none under pytest 9.2 (xdist 3.8)."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return next((folder for folder in WHOLE if file.startswith(folder)), file)

    if config.getvalue("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.fixture(autouse=True, scope="session")
def _no_power_cuts() -> Iterator[None]:
    """Hundreds of small files that need survive none: to wait for the disk is a third of what a test of them takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def draw() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """``with draw():`` charts become SVG and PNG, which is half of a page's time; elsewhere these files are empty."""
    import vl_convert

    functions = {name: getattr(vl_convert, name) for name in ("vegalite_to_svg", "svg_to_png")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vl_convert, "vegalite_to_svg", lambda *_, **__: "<svg/>")
        patch.setattr(vl_convert, "svg_to_png", lambda *_, **__: b"")

        @contextmanager
        def drawn() -> Iterator[None]:
            with pytest.MonkeyPatch.context() as within:
                for name, function in functions.items():
                    within.setattr(vl_convert, name, function)
                yield

        yield drawn


@pytest.fixture(scope="session")
def need() -> Callable[[str], Path]:
    """``need("gsm8k")``: a file or folder of the real ones; the test is skipped, by that name, where it is missing."""

    def given(path: str) -> Path:
        if not (DATA / path).exists():
            pytest.skip(f"{path} is not in HOLDFAST_TEST_DATA")
        return DATA / path

    return given


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """A shell's background jobs ignore it, and what they start does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def data(need) -> Path:
    """The folder of all real files."""
    return need("MANIFEST.md").parent


@pytest.fixture(scope="session")
def two_adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two adapters of the miniature that do something, as somebody else's training might leave them."""
    import torch

    from holdfast.config.study import LoraSpec, ModelSpec
    from holdfast.models import adapters
    from holdfast.models.network import load

    network = load(ModelSpec(name="m", path="package:holdfast.miniature/model"), threads=1)
    folders = []
    for seed in (1, 2):
        adapters.attach(network, LoraSpec(rank=2, alpha=4), "test", seed)
        with torch.no_grad():
            for name, tensor in sorted(network.trained.tensors.items()):
                if "lora_B" in name:
                    tensor.copy_(0.2 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed)))
        folders.append(tmp_path_factory.mktemp("adapter"))
        adapters.save(network, folders[-1])
    return folders
