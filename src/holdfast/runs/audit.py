"""Audit: models and adapters that were trained elsewhere, against their base, as a study that trains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from holdfast import registry
from holdfast.config import loading
from holdfast.config.messages import sentence
from holdfast.config.study import GivenSpec, MeasureSpec, ModelSpec, Study
from holdfast.store.documents import read_yaml
from holdfast.types import UserError

# What a practitioner asks first: is it easier to jailbreak, does it refuse what is harmless, has its persona moved,
# does it still know what is true?
USUAL = ("strongreject", "xstest", "dark_triad", "truthfulqa_mc1")


def study(
    model: str,
    adapters: Sequence[str] = (),
    against: str | None = None,
    measures: Path | None = None,
    template: str | None = None,
) -> Study:
    """The study that an audit is.

    model: folder or hub id. With ``against`` it is a whole fine-tuned model and ``against`` its base; else it is the
    base that ``adapters`` (``LABEL=PATH``, or a path) were trained on.
    measures: a study file, of which the measures are taken, or a YAML list of measures; None takes the ``USUAL``.
    """
    if against and adapters:
        raise UserError(
            "--adapter is an adapter on --model, and --against the base of a whole model; give one of the two"
        )
    wanted = _measures(measures)
    of_tasks = [m for m in wanted if getattr(registry.get("measures", m.measure), "per_task", False)]
    left_out = f"Left out, being of a task that is trained: {', '.join(m.label for m in of_tasks)}."
    try:
        base = ModelSpec(name=_name(against or model), path=against or model, template=template)
        given = [GivenSpec(label=label, adapter=path) for label, path in map(_labelled, adapters)]
        if against:
            label = _name(model) if _name(model) != base.name else f"{_name(model)} tuned"
            tuned = ModelSpec(name=label, path=model, template=template)
            given = [GivenSpec(label=label, weights=tuned)]
        return Study(
            name=f"audit-{_name(model)}",
            about=left_out if of_tasks else "",
            models=(base,),
            given=tuple(given),
            measures=tuple(m for m in wanted if m not in of_tasks),
        )
    except ValidationError as e:
        raise UserError(sentence(e)) from None


def _labelled(given: str) -> tuple[str, str]:
    label, equals, path = given.partition("=")
    return (label, path) if equals and label else (_name(given), given)


def _name(path: str) -> str:
    """The last part of a path, as a label."""
    last = path.rstrip("/").rpartition("/")[2]
    last = Path(path).resolve().name if last in ("", ".", "..") else last
    return "".join(c for c in last if c.isprintable()).strip()[:80] or "model"


def _measures(file: Path | None) -> list[MeasureSpec]:
    if file is None:
        return [MeasureSpec(measure=name) for name in USUAL]
    if str(file) in loading.presets() or not file.is_file():
        return list(loading.load(file).measures)
    found = read_yaml(file)
    if isinstance(found, dict):
        return list(loading.load(file).measures)
    try:
        return TypeAdapter(list[MeasureSpec]).validate_python(found)
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(
            f"{file}, {where}: {first['msg']}; give a study file, or a list of measures as in one"
        ) from None
