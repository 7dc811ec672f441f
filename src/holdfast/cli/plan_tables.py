"""A plan for the terminal: what is trained, what is measured, what it costs. Short."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast import machine
from holdfast.config.role import Role
from holdfast.config.run import PlannedCheckpoint, Run
from holdfast.runs.costs import Cost, fitted
from holdfast.runs.eval_costs import EvalPlan
from holdfast.runs.makespan import Nodes
from holdfast.runs.plan import Plan
from holdfast.store import defuse

TOO_LONG = 30 * 86400  # seconds


def show(plan: Plan, console: Console | None = None, nodes: Nodes | None = None) -> None:
    """``nodes``: what it takes on several, where that was asked."""
    console = console or defuse.console()
    parts = (_headline(plan), _training(plan), _measuring(plan), _cost(plan))
    for part in (*parts, *(_nodes(nodes) if nodes else ()), _declared(plan), *_power(plan)):
        console.print(part, highlight=False)
    for task, reasons in plan.dropped.items():
        if reasons:
            said = ", ".join(f"{reason} {n}" for reason, n in reasons.items())
            console.print(f"rows of {task} dropped for every objective: {said}", highlight=False)
    for note in (*plan.notes, *plan.of_models):
        console.print(f"note: {note}", highlight=False)


def amount(n: float | None) -> str:
    """1234567 as 1.23M."""
    if n is None:
        return "?"
    for size, sign in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:.3g}{sign}"
    return f"{n:.3g}"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{max(seconds, 1):.0f} seconds"


def _headline(plan: Plan) -> Text:
    state = " (nominal)" if plan.nominal else " (provisional)" if plan.provisional else ""
    runs = [t for t in plan.runs if t.role.is_study]
    axes: dict[str, Iterable[object]] = {
        "models": dict.fromkeys(t.model for t in runs),
        "tasks": dict.fromkeys(t.task for t in runs),
        "seeds": dict.fromkeys(t.seed for t in runs),
        "budgets": [amount(b) for b in sorted({b for t in runs for b in t.budgets})],
    }
    lines = "\n".join(
        [
            f"{state}: {_count(len(plan.runs), 'runs', 'run')}, {_count(plan.subjects, 'subjects', 'subject')}",
            *(f"{name}: {', '.join(str(v) for v in values)}" for name, values in axes.items()),
            "",
        ]
    )
    return Text.assemble((plan.name, "bold"), lines)


def _training(plan: Plan) -> Table:
    """A row for each objective on each task; what is the same over tasks, seeds and models stands there once, and what
    differs by little as its middle."""
    several = len({t.task for t in plan.runs if t.role.is_study}) > 1
    words, numbers = ("objective", "task"), ("steps", "passes", "shared", "forward", "ref.", "superv.", "unsafe")
    table = _table(words if several else words[:1], numbers, "tokens and steps at the last budget")
    groups: dict[str, dict[str, list[Run]]] = {}
    for t in plan.runs:
        groups.setdefault(_shown(t), {}).setdefault(t.task, []).append(t)
    for name, tasks in groups.items():
        rows: dict[tuple[str, ...], list[str]] = {}
        for task, runs in tasks.items():
            rows.setdefault(_figures([max(t.checkpoints, key=lambda r: r.budget) for t in _longest(runs)]), []).append(
                task
            )
        for figures, names in rows.items():
            where = (names[0] if len(names) == 1 else f"{len(names)} tasks",) if several else ()
            table.add_row(name, *where, *figures)
    return table


def _shown(t: Run) -> str:
    """The line that a run is counted in: all variations of an objective are one, and all settings tried for it."""
    names = {
        Role.STUDY: t.label,
        Role.CONTROL: f"{t.label} (control run)",
        Role.VARIATION: f"variations of {t.of}",
        Role.TUNING: f"tried for {t.of}",
        Role.TUNED: f"{t.label} (tuned)",
        Role.RELEARNT: "relearning",
    }
    return names[t.role]


def _longest(runs: list[Run]) -> list[Run]:
    last = max(b for t in runs for b in t.budgets)
    return [t for t in runs if last in t.budgets]


def _figures(checkpoints: list[PlannedCheckpoint]) -> tuple[str, ...]:
    def said(name: str, form: Callable[[float | None], str] = amount) -> str:
        values = [getattr(r, name) for r in checkpoints]
        if None in values:
            return "?"
        low, high = min(values), max(values)
        if form(low) == form(high):
            return form(low)
        return f"~{form((low + high) / 2)}" if high <= 1.05 * low else f"{form(low)}–{form(high)}"

    tokens = ("tokens", "forward_tokens", "reference_tokens", "supervised_tokens", "unsafe_tokens")
    return (said("steps"), said("passes", lambda n: f"{n:.2f}"), *(said(name) for name in tokens))


def _measuring(plan: Plan) -> Table:
    table = _table(("\nmeasure", "\naxis"), ("\nitems", "\nsubjects", "\nrequests"))
    groups: dict[str, list[EvalPlan]] = {}
    for c in plan.configs:
        groups.setdefault(f"variations of {c.of}" if c.of else c.measure, []).append(c)
    for name, configs in groups.items():
        items = {None if c.items is None else str(c.items) for c in configs}
        requests = None if any(c.requests is None for c in configs) else sum(c.requests or 0 for c in configs)
        table.add_row(
            name,
            configs[0].axis,
            "?" if None in items else " ".join(sorted(i for i in items if i)),
            str(max(c.subjects for c in configs)),
            "?" if requests is None else f"{requests:,}",
        )
    return table


def _cost(plan: Plan) -> str:
    cost = plan.cost
    flops = f"{amount(cost.train_flops)} training + {amount(cost.reference_flops)} references"
    measure = f" + at most {amount(cost.measure_flops)} measuring" if cost.measure_flops else ""
    training = ", without measuring, whose data are not here" if any(c.requests is None for c in plan.configs) else ""
    return (
        f"\nFLOPs: {flops}{measure}\n"
        f"disk: about {amount(cost.disk_bytes)}B; memory: {_memory(cost)}\n"
        f"time: {_time(cost)}{training}"
    )


def _memory(cost: Cost) -> str:
    workers, tokens = fitted(cost)
    if cost.on_a_gpu is not None and cost.least > machine.free():
        return f"{amount(cost.least)}B at least, and {amount(machine.free())}B may be taken here"
    size = workers * (cost.worker_bytes + tokens * cost.token_bytes)
    return f"about {amount(size)}B, for {_count(workers, 'workers', 'worker')} with {tokens:,} tokens at once"


def _time(cost: Cost) -> str:
    """A study of months is none for this machine, and how many months is no answer."""
    gpu = f"; on one GPU about {duration(cost.on_a_gpu)}" if cost.on_a_gpu else ""
    if (cost.seconds or 0) > TOO_LONG:
        return f"more than {duration(TOO_LONG)}: this study is not for this machine{gpu} (a guess)"
    parts = ", ".join(f"{share:.0%} {part}" for part, share in cost.shares.items() if share >= 0.005)
    long = gpu if (cost.seconds or 0) > 86400 else ""
    return f"about {duration(cost.seconds)} ({cost.speed}{long}){f': {parts}' if parts else ''}"


def _nodes(nodes: Nodes) -> Iterator[Table | str]:
    """A row a number of nodes; then what holds them up."""
    kind = "GPU" if nodes.device == "cuda" else "CPU"
    speed = "measured here" if nodes.measured else f"a guess for any {nodes.device}"
    title = f"\non nodes of {nodes.executor}, each at one job at a time ({speed})"
    table = _table(("nodes",), ("makespan", f"{kind} hours", "held", "idle", "longest stage"), title)
    for s in nodes.spans:
        hours = (f"{s.busy_hours:,.1f}", f"{s.held_hours:,.1f}", f"{1 - s.busy_hours / max(s.held_hours, 1e-9):.0%}")
        table.add_row(f"{s.nodes:,}", duration(s.seconds), *hours, s.bottleneck)
    yield table
    table = _table(("stage", "round"), ("jobs", "in all", "longest job", "nodes that help"))
    alike: dict[tuple[str, ...], list[str]] = {}
    for r in nodes.spans[0].rounds:
        figures = (f"{r.jobs:,}", duration(r.work), duration(r.longest), f"{r.enough:,}")
        alike.setdefault((r.stage, *figures), []).append(r.name)
    for (stage, *cells), names in alike.items():
        table.add_row(stage, names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}", *cells)
    yield table
    yield (
        f"more than {_count(nodes.enough, 'nodes help', 'node helps')} nowhere: each round then takes as long as its "
        f"longest job; judging and loading are not counted\ndisk: about {amount(nodes.disk_bytes)}B in about "
        f"{nodes.files:,} files"
    )


def _declared(plan: Plan) -> str:
    """What is asked; the rest of what will be found is exploratory."""
    d = plan.declared
    if not d:
        return ""
    least = ", ".join(f"{axis.replace('_', ' of ')} {size:g}" for axis, size in d["interest"].items())
    return (
        f"\n{'asked by default, for the study declares nothing' if d['by_default'] else 'declared'}: "
        f"{', '.join(d['estimands'])}, against {' and '.join(d['references'])}, at alpha {d['alpha']:g}; "
        f"prompts are {d['prompts']}; all else is exploratory\n"
        f"smallest differences of interest: {least}"
    )


def _power(plan: Plan) -> Iterator[Table | str]:
    """A row a measure: what is detected, and what the difference of interest would take."""
    if not plan.power:
        return
    first = plan.power[0]
    title = f"\npower: an objective against SFT at one budget, {first.target:.0%} at level {first.alpha:.3g}"
    numbers = ("seeds", "items", "detects", "chance", "seeds needed", "items needed")
    table = _table(("measure",), numbers, title)
    for p in plan.power:
        table.add_row(
            p.measure,
            str(p.seeds),
            str(p.prompts),
            "–" if p.detects is None else f"{p.detects:.3f}",
            "–" if p.chance is None else f"{p.chance:.0%}",
            *("–" if n is None else f"{n:,}" for n in (p.seeds_needed, p.prompts_needed)),
        )
    yield table
    yield (
        "detects: the smallest increase; chance: of detecting the difference of interest; needed: as many seeds, or as "
        f"many items, would take that chance to {first.target:.0%} (–: no number in reach would)"
    )
    for basis in dict.fromkeys(p.basis for p in plan.power):
        yield f"from {basis}: {', '.join(p.measure for p in plan.power if p.basis == basis)}"
    if first.seeds == 1:
        yield "with one seed this is power to tell these checkpoints apart, not what another training run would give"


def _table(words: Iterable[str], numbers: Iterable[str], title: str | None = None) -> Table:
    """Where it is too narrow names are folded; numbers and headings never are."""
    table = Table(box=None, pad_edge=False, collapse_padding=True, title=title, title_justify="left")
    for name in words:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _count(n: int, many: str, one: str) -> str:
    return f"{n} {one if n == 1 else many}"
