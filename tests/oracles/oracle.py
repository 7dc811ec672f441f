"""What a rebuilding must leave as it is, recorded: ids of runs and requests, every table, every text of the page.

    python tests/oracles/oracle.py       # record anew, after a change that is meant to change them

Each state is one compressed file beside this one. Numbers are compared to 1e-12 relative, all else exactly. That holds
for every column, tails of p among them, where linear algebra adds up in the same order: with OpenBLAS's kernel for
AVX-512, by which the states were recorded. With another (``OPENBLAS_CORETYPE=Haswell``) what is resampled in single
precision (matched, at_safety, at_distance, front) holds to 1e-8, and a p that counts draws to a few of them.
"""

from __future__ import annotations

import importlib.util
import io
import json
import lzma
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_info

from holdfast.analysis import estimates_file
from holdfast.config import loading
from holdfast.evals.respond import request_key
from holdfast.evals.respond import rows as asked
from holdfast.runs import jobs, pipeline
from holdfast.runs.materials import Materials
from holdfast.runs.plan import expand
from holdfast.runs.subjects import subjects
from holdfast.store.digest import digest
from holdfast.store.folder import StudyFolder

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KERNEL = "SkylakeX"  # by which the states were recorded
KEPT = HERE / "kept.tar.xz"  # a small finished study of every section, as an earlier version left it
SHIPPED = ("miniature", "miniature-full", "paper", "studies/miniature-seeds.yaml")
MADE_UP: dict[str, dict[str, Any]] = {
    "one-seed": {"prompts": 16},
    "every-section": {
        "prompts": 16,
        "seeds": (0, 1, 2),
        "matched": {"target": 0.1, "relative": "base", "measure": "task_accuracy", "checkpoints": [20_000]},
        "declared": {"estimands": ["last", "slope", "coupling", "apart", "interaction", "dissociation", "specificity"]},
    },
    "two-models": {
        "prompts": 12,
        "models": [{"name": n, "path": "package:holdfast.miniature/model"} for n in ("one", "two")],
        "objectives": [{"label": "SFT", "objective": "sft"}, {"label": "mild", "objective": "kl"}],
    },
}


# -- ids -----------------------------------------------------------------------------------------------------------


def identities(name: str) -> dict[str, Any]:
    """Of a shipped study: runs, eval configs, and what the base model is asked in each."""
    study = loading.load(ROOT / name if "/" in name else name)
    plan = expand(study)
    found: dict[str, Any] = {"runs": [f"{t.id} {t.label} {t.seed} {t.role.column(t.label)}" for t in plan.runs]}
    if plan.nominal:
        return found
    materials = Materials(study, None, plan=True)
    base = subjects(materials, StudyFolder(Path("nowhere")), [])[0].speaker(Path("nowhere"))
    for config in jobs.eval_configs(materials):
        keys = [[request_key(base, r.prompt, config.sampling, r.sample), r.id] for r in asked(config, base, None)]
        found[f"{config.name} {config.of} {sorted(config.varies.items())}"] = [config.id, len(keys), digest(keys)]
    return found


# -- tables and texts ----------------------------------------------------------------------------------------------


def state(folder: StudyFolder) -> dict[str, str]:
    """Every table of an analysed and reported folder as text, and the page's sections."""
    found = {
        str(p.relative_to(folder.root)): p.read_text(encoding="utf-8")
        for p in sorted(folder.root.rglob("*"))
        if (p.suffix in (".csv", ".tex") or p.name == "methods.md") and p.parent != folder.root
    }
    for name, table in as_they_were(estimates_file.read(folder)).items():
        found[name] = table.to_csv(index=False)
    page = "report/tables/findings.csv"
    told = pd.read_csv(io.StringIO(found[page]), dtype=str, keep_default_na=False)
    found[page] = told.rename(columns={"estimand": "finding"})[
        [c for c in (*FINDINGS.split(), "mark") if c in told or c == "finding"]
    ].to_csv(index=False)
    return found | _texts((folder.report / "index.html").read_text(encoding="utf-8"))


ESTIMATES = (
    "estimate model task label objective seed budget bracket measure axis metric condition format judge value low high "
    "bound_low bound_high p_missing method unit n_prompts n_records n_unscored n_seeds effective_n p p_holm family note"
)
FINDINGS = (
    "finding model task label against axis measure metric judge condition budget regime value low high p p_adjusted "
    "low_all high_all p_equal p_worse bound_low bound_high family declared interest verdict method unit n_prompts "
    "n_seeds warning note"
)


def as_they_were(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The two tables that are one now."""
    one, other = estimates_file.measured(table), estimates_file.compared(table)
    kind = ("vs_" + one["against"]).where(one["against"] != "", "level")
    return {
        "estimates": one.assign(estimate=kind, p_holm=one["p_adjusted"])[ESTIMATES.split()],
        "findings": other.assign(finding=other["estimand"])[FINDINGS.split()],
    }


class _Text(HTMLParser):
    """The words of a page, by section; scripts and styles are none."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {"page": []}
        self._where, self._silent = "page", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("script", "style")
        if tag in ("section", "details") and (name := dict(attrs).get("id")):
            self._where = f"page#{name}"
            self.found.setdefault(self._where, [])

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.found[self._where].append(" ".join(data.split()))


def _texts(page: str) -> dict[str, str]:
    reader = _Text()
    reader.feed(page)
    return {name: "\n".join(lines) for name, lines in reader.found.items()}


def differences(found: Mapping[str, str], kept: Mapping[str, str]) -> Iterator[str]:
    """In what two states differ, a line each."""
    found, kept = ({k: DATE.sub("DATE", v) for k, v in state.items()} for state in (found, kept))
    for name in sorted(found.keys() | kept.keys()):
        if name not in found or name not in kept:
            yield f"{name}: {'new' if name in found else 'gone'}"
        elif found[name] != kept[name]:
            yield from (f"{name}: {line}" for line in _unlike(found[name], kept[name]))


DATE = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?")
NUMBER = re.compile(r"-?\d+\.\d+(?:e[+-]?\d+)?|-?\d+e[+-]?\d+")


def _unlike(one: str, other: str) -> Iterator[str]:
    """Lines that differ by more than rounding."""
    a, b = one.splitlines(), other.splitlines()
    if len(a) != len(b):
        yield f"{len(a)} lines where {len(b)} were"
    for n, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y and (NUMBER.sub("#", x) != NUMBER.sub("#", y) or not _near(NUMBER.findall(x), NUMBER.findall(y))):
            yield f"line {n + 1}: {x[:160]!r} was {y[:160]!r}"


def _near(one: list[str], other: list[str]) -> bool:
    """To 1e-12 relative; around 0 to what is left of a sum by rounding."""
    share, least = (1e-12, 1e-15) if _kernel() == KERNEL else (1e-6, 1e-4)
    return all(abs(float(x) - float(y)) <= max(share * abs(float(y)), least) for x, y in zip(one, other, strict=True))


@cache
def _kernel() -> str:
    """Of OpenBLAS, which numpy chooses by the processor."""
    return next((str(lib.get("architecture")) for lib in threadpool_info() if lib["user_api"] == "blas"), "")


# -- the studies ---------------------------------------------------------------------------------------------------


def made_up(name: str, root: Path) -> StudyFolder:
    """A made-up study, analysed and reported by the stages themselves."""
    how = dict(MADE_UP[name])
    folder = _report_conftest().made_up(root, prompts=how.pop("prompts"), analysed=False, **how)
    return again(folder)


def again(folder: StudyFolder) -> StudyFolder:
    """Analysed and reported."""
    for stage in ("analyse", "report"):
        pipeline.stage(stage, folder.root)
    return folder


def kept(root: Path) -> StudyFolder:
    with lzma.open(KEPT) as data, tarfile.open(fileobj=io.BytesIO(data.read())) as tar:
        tar.extractall(root, filter="data")
    return StudyFolder(root)


def keep(finished: Path) -> None:
    """Pack what a finished study's analysis and its growth are made from."""
    left_out = re.compile(r"report|.*\.csv|.*\.log|\.lock|.*/\.lock|.*/timing\.jsonl")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(p for p in finished.rglob("*") if p.is_file()):
            name = str(path.relative_to(finished))
            if not left_out.fullmatch(name) and not name.startswith("report/"):
                info = tarfile.TarInfo(name)
                info.size = path.stat().st_size
                tar.addfile(info, io.BytesIO(path.read_bytes()))
    KEPT.write_bytes(lzma.compress(buffer.getvalue(), preset=9))


def _report_conftest() -> ModuleType:
    path = HERE.parent / "report" / "conftest.py"
    spec = importlib.util.spec_from_file_location("report_conftest", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def read(name: str) -> Any:
    return json.loads(lzma.decompress((HERE / f"{name}.json.xz").read_bytes()))


def record(name: str, value: Any) -> None:
    text = json.dumps(value, indent=0, sort_keys=True)
    (HERE / f"{name}.json.xz").write_bytes(lzma.compress(text.encode(), preset=9))
    print(f"{name}: {len(text):,} characters")


if __name__ == "__main__":
    if len(sys.argv) > 1:  # the folder of a finished study
        keep(Path(sys.argv[1]))
    record("identities", {name: identities(name) for name in SHIPPED})
    with tempfile.TemporaryDirectory() as root:
        for name in MADE_UP:
            record(name, state(made_up(name, Path(root) / name)))
        record("kept", state(again(kept(Path(root) / "kept"))))
        shutil.rmtree(root, ignore_errors=True)
