"""What a study said before it had results, and whether it still says the same.

``declaration.json`` holds all of the study that decides a verdict, and its digest. It is written when the study is
planned and never again once a checkpoint or a response is there. ``looks.jsonl`` has a line for every analysis. What is
*changed* afterwards makes everything exploratory, for it may have been chosen by its result. A study may *grow*: what
is added before the first look is as good as declared; after it, what the addition touches is exploratory, and more
seeds, prompts or samples touch all that is estimated from them, for stopping when the result pleases is a choice too
(Simmons, Nelson and Simonsohn, *Psychological Science* 22, 2011).

A record for those who wish to be believed, not a proof against those who wish to deceive: to prove it to others,
deposit the digest elsewhere before the run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from holdfast import __version__
from holdfast.analysis.config_info import Configs
from holdfast.config.study import OPEN, Study
from holdfast.store.digest import digest, flat, short
from holdfast.store.files import from_json, read_json, reading, write_json, write_text
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

if TYPE_CHECKING:
    import pandas as pd

# Of the study file, what says nothing about results: words for people, the machine, and where things lie.
_NO_SAY: Any = {
    "schema_version": True, "name": True, "about": True, "mark": True, "workers": True, "executor": True,
    "relearning": True,  # explores: nothing of it has a verdict
    "models": {"__all__": {"path", "device", "gpus"}},
    "declared": {"power", "guesses"},
}  # fmt: skip
# Parts that are listed, and what tells them apart.
_LISTED = {"models": "name", "tasks": "name", "objectives": "label", "measures": "label", "brackets": "kind"}
_COUNTED = ("seeds", "budgets")  # lists of numbers that may grow
_ASKED = ("alpha", "threshold", "declared")  # what is asked, as far as defaults for it are there
_NEUTRAL = ("brackets", "consistency")  # stand beside what is compared and have no say in it
_LOOK = {"time", "study", "records", "added", "measured"}
_MORE = ("items", "samples")  # numbers of a measure that may grow


class Change(NamedTuple):
    """``what``: a place in the study file, dotted; ``was`` and ``now``: as they stand there, None for nothing."""

    what: str
    was: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.what}: {_said(self.was)} → {_said(self.now)}"


@dataclass(frozen=True)
class Standing:
    """How a study stands to what its folder says was declared.

    ``kind``: ``recorded``; ``changed``: by ``changes``; ``none``: nothing is recorded, as in a folder of an older
    version. ``early``, ``late``: what was added before and after the first look at results. ``defaults``: what is asked
    as holdfast has it, for the study file did not say. ``looks``: analyses so far that had results;
    ``states``: the different studies and amounts of data among them.
    """

    kind: Literal["recorded", "changed", "none"]
    digest: str
    now: str
    changes: tuple[Change, ...] = ()
    early: tuple[Change, ...] = ()
    late: tuple[Change, ...] = ()
    defaults: tuple[str, ...] = ()
    looks: int = 0
    states: int = 0

    @property
    def confirms(self) -> bool:
        """Whether anything that is asked was asked beforehand."""
        return self.kind == "recorded" and not any(c.what in ("seeds", "models") for c in self.late)


# -- what decides a verdict --------------------------------------------------------------------------------------------


def content(study: Study) -> dict[str, Any]:
    """All of the study that decides a verdict, as plain JSON; what is listed stands by its label, with their order."""
    plain = study.model_dump(mode="json", exclude=_NO_SAY)
    plain["brackets"] = plain.pop("control_runs")  # digests were made under the earlier name
    plain["controls"] |= {key: study.controls.identity()[key] for key in OPEN}  # and before these could be left open
    for key, name in _LISTED.items():
        plain[key] = _by_label([p | {"label": p.get(name) or p["measure"]} for p in plain[key]])
    for given in plain["given"]:
        given.pop("adapter")
        for key in ("path", "gpus"):
            (given["weights"] or {}).pop(key, None)
    plain["given"] = _by_label(
        [g | {"label": f"{g['label']}, seed {g['seed']}, {g['budget']}"} for g in plain["given"]]
    )
    for measure in plain["measures"]["each"].values():
        judges = measure["judges"]
        measure["judges"] = judges and _by_label([j | {"label": j["name"] or j["judge"]} for j in judges])
    return plain


def _by_label(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"order": [p["label"] for p in parts], "each": {p["label"]: dict(p) for p in parts}}


def unsaid(study: Study) -> list[str]:
    """What is asked by default, for the study file says nothing of it: dotted places of alpha, threshold, declared."""
    asked = study.model_dump(mode="json", include=set(_ASKED), exclude=_NO_SAY)
    return [place for place in flat(asked) if not _is_said(study, place.split("."))]


def _is_said(part: BaseModel, place: Sequence[str]) -> bool:
    own = getattr(part, place[0])
    if place[0] not in part.model_fields_set:
        return False
    return _is_said(own, place[1:]) if isinstance(own, BaseModel) else True


# -- in the folder -----------------------------------------------------------------------------------------------------


def record(study: Study, folder: StudyFolder) -> str:
    """Writes the declaration, unless there are results; returns its digest where it is written anew, else ""."""
    own, file = digest(content(study)), folder.declaration_json
    if _has_results(folder) or (file.is_file() and read_json(file).get("digest") == own):
        return ""
    said: dict[str, Any] = {"digest": own, "holdfast": __version__, "defaults": unsaid(study)}
    said |= {"study": study.model_dump(mode="json", by_alias=True)}
    write_json(file, said | {"seal": _seal(said)})
    return own


def look(study: Study, folder: StudyFolder, records: int, configs: Configs) -> None:
    """A line more in ``looks.jsonl``. ``records``: the responses that are analysed; none are no look."""
    if not records:
        return
    found = standing(study, folder, configs)
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "study": found.now,
        "records": records,
        "holdfast": __version__,
        "added": [c.what for c in (*found.early, *found.late)],
        "measured": _instruments(folder, configs),
    }
    before = [json.dumps(entry) for entry in looks(folder)]
    write_text(folder.looks_jsonl, "\n".join([*before, json.dumps(line)]) + "\n")


def looks(folder: StudyFolder) -> list[dict[str, Any]]:
    """Every analysis that was made, in order."""
    file = folder.looks_jsonl
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    try:
        found = [json.loads(line) for line in lines if line.strip()]
        assert all(entry.keys() >= _LOOK for entry in found)
    except (ValueError, AttributeError, AssertionError):
        raise UserError(f"{file} is damaged; it is the log of analyses: restore it from a copy") from None
    return found


def standing(study: Study, folder: StudyFolder, configs: Configs | None = None) -> Standing:
    """Of this study in this folder, as it is now. ``configs``: as from ``load.configs``; with them also whether what
    measures is what it was at the first look."""
    now, seen = content(study), looks(folder)
    facts: dict[str, Any] = {"now": digest(now), "looks": len(seen)}
    facts["states"] = len({(entry["study"], entry["records"]) for entry in seen})
    if not folder.declaration_json.is_file():
        return Standing("none", "", **facts)
    with reading(folder.declaration_json):
        data = folder.declaration_json.read_bytes()
    try:  # as a newer version reads it: what it has not, is as by default
        said = from_json(data, folder.declaration_json)
        was = content(Study.model_validate(said["study"]))
        facts |= {"digest": said["digest"], "defaults": tuple(said["defaults"])}
        sound = said["seal"] == _seal(said)
    except (UserError, KeyError, TypeError, ValidationError):
        sound = False
    if not sound:
        altered = Change("declaration.json", "as it was written", "altered")
        return Standing(kind="changed", **{"digest": "", **facts}, changes=(altered,))
    found = list(_compared(was, now))
    changes, added = ([c for c, grown in found if grown is kind] for kind in (False, True))
    early = [c for c in added if not seen or c.what in seen[0]["added"]]
    late = [c for c in added if c not in early]
    if seen and configs is not None:
        late += _remeasured(seen[0]["measured"], _instruments(folder, configs))
    facts["defaults"] = tuple(place for place in facts["defaults"] if place not in {c.what for c in changes})
    parts: dict[str, Any] = {"changes": tuple(changes), "early": tuple(early), "late": tuple(late)}
    return Standing(kind="changed" if changes else "recorded", **facts, **parts)


def _seal(said: Mapping[str, Any]) -> str:
    """Digest of the file's own entries: an altered file is seen, whatever version wrote it."""
    return digest({k: v for k, v in said.items() if k != "seal"})


def _has_results(folder: StudyFolder) -> bool:
    return any(folder.runs.glob("*/checkpoints/[!.]*")) or bool(folder.record_shards())


def _instruments(folder: StudyFolder, configs: Configs) -> dict[str, str]:
    """Digests of what measures: each model's base, each measure, each of its judges but people, who go on labelling."""
    from holdfast.store import tables

    subjects = tables.read(
        folder.subjects if folder.subjects.exists() else [], "subjects", ["model", "label", "subject"]
    )
    bases = subjects[subjects["label"] == "base"]
    found = {f"models.{m}": short(s) for m, s in zip(bases["model"], bases["subject"], strict=True)}
    for config in configs.values():
        measure = f"measures.{config.measure}"
        found[measure + (f".{config.task}" if config.task else "")] = short(config.id)
        for judge, identity in config.judge_identities.items():
            if identity.get("name") != "humans":
                found[f"{measure}.judge {judge}"] = short(digest(identity))
    return dict(sorted(found.items()))


def _remeasured(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Change]:
    for what in was.keys() & now.keys():
        if was[what] != now[what]:
            yield Change("models" if what.startswith("models.") else what, was[what], now[what])


# -- differences -------------------------------------------------------------------------------------------------------


def _compared(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[Change, bool]]:
    """Every difference, and whether it only adds to what was declared."""
    for key in now:
        if key in _LISTED or key == "given":
            yield from _listed(key, was[key], now[key])
        elif key in _COUNTED:
            if was[key] != now[key]:
                yield Change(key, was[key], now[key]), set(was[key]) < set(now[key])
        elif was[key] != now[key]:
            a, b = ({key: side[key]} for side in (was, now))
            grown = key in _NEUTRAL
            yield from ((change, grown) for change in _entries("", a, b))


def _listed(at: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[Change, bool]]:
    """Of parts that stand by their labels: further ones may follow those that were there."""
    grown = now["order"][: len(was["order"])] == was["order"]
    if not grown:
        yield Change(at, was["order"], now["order"]), at in _NEUTRAL
    elif len(now["order"]) > len(was["order"]):
        for label in now["order"][len(was["order"]) :]:
            yield Change(f"{at}.{label}", None, "added"), True
    for label in was["order"]:
        a, b = was["each"][label], now["each"].get(label)
        if b is None or a == b:
            continue
        if a.get("judges") and b.get("judges"):
            yield from _listed(f"{at}.{label}.judges", a["judges"], b["judges"])
            a, b = ({k: v for k, v in side.items() if k != "judges"} for side in (a, b))
        for change in _entries(f"{at}.{label}.", a, b):
            more = at == "measures" and change.what.removeprefix(f"{at}.{label}.") in _MORE
            yield change, at in _NEUTRAL or (more and _is_more(change.was, change.now))


def _is_more(was: int | None, now: int | None) -> bool:
    return was is not None and (now is None or now > was)


def _entries(at: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    a, b = ({f"{at}{k}": v for k, v in flat(side).items()} for side in (was, now))
    for key in dict.fromkeys([*a, *b]):
        if a.get(key) != b.get(key):
            yield Change(key, a.get(key), b.get(key))


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_said, value)) or "none"
    return "not given" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


# -- what is confirmatory ----------------------------------------------------------------------------------------------


def confirmed(found: pd.DataFrame, standing: Standing) -> pd.DataFrame:
    """The table of findings, ``declared`` only where the declaration was recorded and still holds. A family of which
    nothing is declared any more is named exploratory; its correction stays."""
    declared = found["declared"].astype(bool)
    for change in standing.late:
        declared &= ~_touched(found, change)
    if not standing.confirms:
        declared &= False
    still = declared.groupby(found["family"]).transform("any")
    named = found["family"].str.replace("^declared:", "exploratory:", regex=True)
    return found.assign(declared=declared, family=found["family"].where(still, named))


def _touched(found: pd.DataFrame, change: Change) -> pd.Series:
    """Of each row, whether what was added after a look has a part in it."""
    import pandas as pd

    kind, _, rest = change.what.partition(".")
    if kind == "budgets":
        return found["budget"].isin([-1, *(set(change.now) - set(change.was))])
    if kind == "measures" and ".judges." not in rest:  # a further judge decides no headline
        parts = found["measure"].str.split(" × ").map(lambda some: [m.partition(" on ")[0] for m in some])
        return parts.map(lambda some: any(rest == m or rest.startswith(f"{m}.") for m in some)).astype(bool)
    column = {"objectives": "label", "given": "label", "tasks": "task", "models": "model"}.get(kind)
    if column is None:
        return pd.Series(False, index=found.index)
    label = rest.partition(", seed ")[0] if kind == "given" else rest
    return found[column].isin([label, ""])
