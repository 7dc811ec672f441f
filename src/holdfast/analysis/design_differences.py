"""What two studies held equal, and what not: weights, template, data, optimiser, measures, judges, thresholds."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.load import configs
from holdfast.config.study import Study
from holdfast.store import tables
from holdfast.store.digest import brief, digest, flat, short
from holdfast.store.files import read_json
from holdfast.store.folder import StudyFolder

Flat = dict[str, Any]
Row = tuple[str, str, str, str, bool]


def table(a: StudyFolder, b: StudyFolder, one: Study, two: Study) -> pd.DataFrame:
    """Columns: part, what, a, b (short texts), equal. What a study did not write down is "–", and no row where neither
    did. Unequal rows come first."""
    rows = [*_training(a, b, one, two), *_measures(a, b), *_settings(one, two)]
    found = pd.DataFrame(rows, columns=["part", "what", "a", "b", "equal"])
    return found.sort_values("equal", kind="stable", ignore_index=True)


def _training(a: StudyFolder, b: StudyFolder, one: Study, two: Study) -> list[Row]:
    """Every control over the runs that both have (same label and seed); else what the study files say."""
    runs = [_proofs(folder) for folder in (a, b)]
    shared = sorted(runs[0].keys() & runs[1].keys())
    rows = []
    for name in dict.fromkeys(k for key in shared for run in runs for k in run[key]):
        pairs = [(runs[0][key].get(name), runs[1][key].get(name)) for key in shared]
        unlike = [(x, y) for x, y in pairs if x != y]
        x, y = unlike[0] if unlike else pairs[0]
        more = f" ({len(unlike)} of {len(pairs)} runs)" if unlike and len(pairs) > 1 else ""
        rows.append(("training", name + more, _said(x), _said(y), not unlike))
    if not shared:
        rows += _compared("training", flat(_spec(one)), flat(_spec(two)))
    return rows


def _proofs(folder: StudyFolder) -> dict[tuple[Any, ...], Flat]:
    """Of each run of the study proper, by label and seed (and model and task, where there are several)."""
    if not folder.controls_json.exists():
        return {}
    found = [t for t in read_json(folder.controls_json, "trajectories")["trajectories"] if not t.get("bracket")]
    several = len({(t.get("model"), t.get("task")) for t in found}) > 1
    return {
        (t["label"], t["seed"], *((t["model"], t["task"]) if several else ())): flat(t["controlled"])
        | {"objective": json.dumps(t.get("objective", {}), sort_keys=True)}
        for t in found
    }


def _spec(study: Study) -> dict[str, Any]:
    dumped = study.model_dump(mode="json", include={"models", "tasks", "controls"})
    return {k: v if isinstance(v, dict) else {str(i): x for i, x in enumerate(v)} for k, v in dumped.items()}


def _measures(a: StudyFolder, b: StudyFolder) -> list[Row]:
    """Of every measure that both have: its identity, items, sampling, attack texts and judges."""
    mine, its = (_by_name(folder) for folder in (a, b))
    rows: list[Row] = []
    for name in dict.fromkeys([*mine, *its]):
        if name not in mine or name not in its:
            rows.append((name, "measured", "yes" if name in mine else "no", "yes" if name in its else "no", False))
        elif mine[name].id == its[name].id:
            same = _said(mine[name].id)
            rows.append((name, "identity, items, sampling", same, same, True))
            rows += _compared(name, _judged(mine[name]), _judged(its[name]))
        else:
            rows += _compared(name, _instrument(a, mine[name]), _instrument(b, its[name]))
    return rows


def _by_name(folder: StudyFolder) -> dict[str, ConfigInfo]:
    found = list(configs(folder).values())
    tasks = {c.task for c in found if c.task}
    return {c.measure + (f" on {c.task}" if c.task and len(tasks) > 1 else ""): c for c in found}


def _judged(config: ConfigInfo) -> Flat:
    said = config.judge_identities
    return {f"judge {j}": digest(said[j]) if j in said else "by name" for j in config.judges}


def _instrument(folder: StudyFolder, config: ConfigInfo) -> Flat:
    at = next(c for c in folder.configs() if c.root.name.endswith(f"-{short(config.id)}"))
    items = tables.read(at.items, "items", ["id"])["id"]
    identity = config.identity
    return {
        "version": identity.get("version"),
        **{f"params.{k}": v for k, v in flat(identity.get("params") or {}).items()},
        "items": f"{len(items)}, {digest(sorted(items))[:12]}",
        **{f"sampling.{k}": v for k, v in config.sampling.items()},
        **{f"attack {k}": v.get("hash") for k, v in config.attacks.items()},
        **_judged(config),
    }


def _settings(one: Study, two: Study) -> list[Row]:
    def of(s: Study) -> Flat:
        return {"threshold": s.threshold, "alpha": s.alpha, "seeds": list(s.draws), "budgets": list(s.ladder)}

    return _compared("study", of(one), of(two))


def _compared(part: str, a: Flat, b: Flat) -> list[Row]:
    return [(part, k, _said(a.get(k)), _said(b.get(k)), a.get(k) == b.get(k)) for k in dict.fromkeys([*a, *b])]


def _said(value: Any) -> str:
    return brief("–" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
