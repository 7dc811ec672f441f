"""A commented study for a user's own rows: a file to read, change and run."""

from __future__ import annotations

import json
from pathlib import Path

from holdfast.store import rows
from holdfast.store.files import write_text
from holdfast.store.sources import data_file
from holdfast.study.files import parse
from holdfast.words import UserError

_TEMPLATE = """\
# A holdfast study of your own rows. `holdfast plan {to}` says what it would train, measure and cost;
# `holdfast run {to}` does it, and goes on where it stopped when run again. Every key: docs/study.md.
name: {name}
about: What does each objective do to the model besides teaching it {name}?

models:
  - name: model
    path: {model} # a local folder or a hub id
    # template: chat.jinja # for a model without a chat template
    # system: fold # for a template that refuses a system turn

tasks:
  - name: {name}
    task: jsonl # one object a line: prompt, chosen, and (optionally) rejected, answer, id
    params: {{path: {data}}}
    # Rejected responses. data: the rows' own; perturb: right answers made wrong; sample: the base model's wrong ones.
    rejected: {{source: data}}
    # Which objectives get to read unsafe text. as_published puts some on the rejected side of a share of the rows.
    # unsafe: {{regime: as_published, share: 0.25, source: unsafe.jsonl}}

# Each is trained on the same rows in the same order, with all of `controls` held fixed.{why}
objectives:
{objectives}

budgets: {budgets} # tokens of prompt + chosen; a checkpoint is measured at each
seeds: [0] # three or more, before you believe a difference

controls:
  learning_rate: 2e-4
  # passes: 3 # let a budget go over the rows more than once

measures:
  - {{measure: task_accuracy, items: 200, max_new_tokens: 256}}
  # - {{measure: task_accuracy, name: validation, params: {{split: validation}}}} # matches and chooses, see below
  # These need their data: the path of a file, or a hub id.
  # - {{measure: strongreject, params: {{path: strongreject_dataset.csv}}, items: 100}}
  # - {{measure: dark_triad, params: {{path: persona}}, items: 300}}

brackets:
  - {{kind: noop}} # must come out equal to the base model

# More that a study can ask: docs/findings.md, matched.md, tuned.md, consistency.md.
# declared: {{estimands: [last, slope]}} # comparisons that confirm; all others explore
# tuned: {{learning_rate: [5e-5, 1e-3]}} # each objective at its own setting, too; needs the measure `validation`
# matched: {{target: 0.1}} # also at 10 points of capability above the base model; likewise
"""
_ALL = ("sft", "dpo", "cft", "ip", "orpo", "kl")
_WITHOUT_PAIRS = ("sft", "ip", "kl")
CHARACTERS = 4  # that are taken for one token


def write(data: Path, model: str, to: Path) -> str:
    """Writes the file and returns what to do next. Raises UserError where it would overwrite one."""
    if to.exists():
        raise UserError(f"{to} is there already; name another file with --to, or remove it")
    found = _rows(data_file(data))
    pairs = all(row.get("rejected") for row in found)
    labels = _ALL if pairs else _WITHOUT_PAIRS
    text = _TEMPLATE.format(
        to=to,
        name=json.dumps(data.stem),
        model=json.dumps(model),
        data=json.dumps(str(data)),
        objectives="\n".join(f"  - {{label: {name.upper()}, objective: {name}}}" for name in labels),
        why="" if pairs else "\n# DPO, CFT and ORPO need a rejected response for each row, which these rows have not.",
        budgets=_budgets(found),
    )
    parse(text, str(to))
    write_text(to, text)
    return f"wrote {to}; next: holdfast plan {to}"


def _rows(file: Path) -> list[dict[str, object]]:
    placed = rows.read(file)
    for where, row in placed:
        if "chosen" not in row:
            raise UserError(f"{where}: there is no `chosen`; rows need prompt and chosen")
    return [row for _, row in placed]


def _budgets(found: list[dict[str, object]]) -> list[int]:
    """A ladder of three that one pass over the training rows holds, by a rough count."""
    tokens = sum(len(str(row.get("prompt", ""))) + len(str(row["chosen"])) for row in found) / CHARACTERS
    top = 0.6 * tokens
    rounded = [int(float(f"{top / share:.1g}")) for share in (4, 2, 1)]
    return sorted({max(b, 1) for b in rounded})
