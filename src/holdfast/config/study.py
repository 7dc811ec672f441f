"""The study file: what is asked, typed and frozen. YAML in and out.

Every field has a unit and a default in its description; ``docs/study.md`` is written from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from holdfast.config.declared import DeclaredSpec, MatchedSpec, TunedSpec
from holdfast.config.executor import ExecutorSpec
from holdfast.config.factors import ConsistencySpec
from holdfast.config.relearning import RelearningSpec
from holdfast.config.spec import Count, FolderName, Label, Positive, Rate, Seed, Spec, Temperature, Tokens
from holdfast.config.task import JudgeSpec, TaskSpec
from holdfast.store.folder import plain

SCHEMA = 1
MOST_TOKENS = 8192  # of a micro-batch that is left to the memory there is; larger ones are hardly faster
# What may be left to the memory there is, and what it was before it could be.
OPEN = {"micro_tokens": MOST_TOKENS, "gradient_checkpointing": False}
Beta = Annotated[float, Field(ge=0, lt=1)]


class ModelSpec(Spec):
    """A causal language model in Hugging Face format, and how it is prompted."""

    unsaid = ("gpus",)

    name: Label = Field(description="label in tables and charts")
    path: str = Field(description="local folder, GGUF file, hub id, or `package:PACKAGE/PLACE` for either in a package")
    revision: str | None = Field(default=None, description="hub revision")
    template: str | None = Field(default=None, description="chat template file (Jinja); default: the model's own")
    system: Literal["keep", "fold"] = Field(
        default="keep", description="`fold` puts a system turn before the first user turn"
    )
    thinking: bool = Field(default=False, description="passed to the template as `enable_thinking`")
    date: str = Field(default="26 Jul 2024", description="the date that templates which print one are given")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 on a GPU, else float32"
    )
    quantization: Literal["none", "4bit"] = Field(
        default="none", description="`4bit`: weights in NF4 by bitsandbytes, where the hardware has it"
    )
    device: str = Field(default="auto", description="auto: cuda where there is one, else cpu")
    gpus: int = Field(
        default=1,
        ge=1,
        le=64,
        description="GPUs that its layers are spread over, where one has no room for it; with `backend: vllm` its "
        "tensor parallelism (docs/cluster.md)",
    )
    attention: Literal["sdpa", "eager"] = Field(default="sdpa", description="attention kernel of transformers")
    backend: Literal["in_process", "vllm"] = Field(
        default="in_process",
        description="what answers when measuring; `vllm` needs an environment of its own (docs/backends.md)",
    )

    @model_validator(mode="after")
    def _served_as_it_is(self) -> ModelSpec:
        if self.backend == "vllm" and self.quantization != "none":
            raise ValueError(f"{self.name} cannot have both `backend: vllm` and `quantization: {self.quantization}`")
        if self.gpus > 1 and (self.device == "cpu" or ":" in self.device):
            raise ValueError(
                f"{self.name} lies on the first {self.gpus} GPUs that a process sees (`gpus`), so its `device` cannot "
                f"be {self.device}: leave it at auto, or set `gpus: 1`"
            )
        return self


class VariantSpec(Spec):
    """An objective with its coefficients, under a label."""

    label: Label = Field(description="label in tables and charts; unique")
    objective: Label = Field(description="registered objective: sft, dpo, cft, ip, orpo, kl, …")
    params: dict[str, Any] = Field(default_factory=dict, description="the objective's own parameters")
    learning_rate: Rate | None = Field(default=None, description="in place of the controls' (an axis of the study)")
    controls: dict[str, Any] = Field(
        default_factory=dict, description="other controls for this variant alone: a declared difference"
    )
    order_seed: Seed | None = Field(default=None, description="of its data order, in place of the study's seeds")
    init_seed: Seed | None = Field(default=None, description="of its initialisation and dropout, likewise")
    task: dict[str, Any] = Field(
        default_factory=dict,
        description="other settings of the task for this variant alone: system, frame, rows, chosen",
    )


class LoraSpec(Spec):
    """The adapter that is trained."""

    unsaid = ("rslora", "dora")

    rank: int = Field(default=16, ge=1, le=65_536, description="of each adapted matrix's update")
    alpha: Positive = Field(default=32, description="the update is scaled by alpha / rank")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of adapter inputs")
    targets: Literal["all-linear"] | tuple[str, ...] = Field(
        default="all-linear", description="module names, or every linear layer but the head"
    )
    rslora: bool = Field(
        default=False, description="the update is scaled by alpha / √rank instead (rsLoRA, Kalajdzievski 2023)"
    )
    dora: bool = Field(
        default=False,
        description="weights as magnitude × direction: the update turns each row of a matrix, whose length is trained "
        "apart (DoRA, Liu et al. 2024)",
    )

    @property
    def kind(self) -> str:
        """As papers call it."""
        return ("rs" if self.rslora else "") + ("DoRA" if self.dora else "LoRA")


class Controls(Spec):
    """All that is held fixed over objectives."""

    unsaid = ("trainable",)

    trainable: Literal["lora", "full", "body"] = Field(
        default="lora",
        description="an adapter on the frozen base; `full`: all weights (with `head: full`); `body`: all but the token "
        "embeddings and the head",
    )
    lora: LoraSpec = Field(default=LoraSpec(), description="the adapter")
    learning_rate: Rate = Field(default=2e-4, description="after warm-up")
    betas: tuple[Beta, Beta] = Field(default=(0.9, 0.999), description="of AdamW")
    eps: float = Field(default=1e-8, gt=0, le=1, description="of AdamW")
    weight_decay: float = Field(default=0.0, ge=0, le=10, description="of AdamW, decoupled")
    schedule: Literal["constant", "linear", "wsd"] = Field(
        default="constant", description="after warm-up; `linear` and `wsd` train every budget as a run of its own"
    )
    warmup_steps: int = Field(default=10, ge=0, description="steps over which the rate rises linearly from 0")
    decay_share: float = Field(default=0.2, gt=0, le=1, description="share of the steps that decay (wsd)")
    clip: Positive = Field(default=1.0, description="gradient norm")
    batch_rows: Count = Field(default=16, description="rows of a step")
    micro_tokens: Count | Literal["auto"] = Field(
        default="auto",
        description="padded tokens of a micro-batch, which changes no loss; `auto`: as memory allows, at most 8,192",
    )
    max_tokens: int = Field(
        default=1024,
        ge=8,
        le=10**9,
        description="a row with a longer sequence (or longer than the model's context) is dropped for all, and counted",
    )
    layout: Literal["padded", "packed", "shared"] = Field(
        default="padded", description="rows padded by length; sequences packed in a row; a pair's prompt run once"
    )
    head: Literal["frozen", "full"] = Field(
        default="frozen", description="token log-probs by the frozen head, or by plain full logits"
    )
    gradient_checkpointing: bool | Literal["auto"] = Field(
        default="auto",
        description="recompute activations: less memory, a third more time; `auto`: where memory has no room for the "
        "longest row without, and `micro_tokens` is left open too",
    )
    autocast: bool = Field(default=False, description="bfloat16 autocast of the network on a CPU that has it")
    passes: Count = Field(default=1, description="most passes over the training split")

    @model_validator(mode="after")
    def _a_trained_head_is_not_frozen(self) -> Controls:
        if self.trainable == "full" and self.head == "frozen":
            raise ValueError(
                "`trainable: full` trains the head, too, of which `head: frozen` gives no gradient: set `head: full`, "
                "or `trainable: body`"
            )
        return self

    @property
    def trained(self) -> dict[str, Any]:
        """The adapter's settings; where weights themselves are trained, which, in place of each."""
        settings = self.lora.model_dump(mode="json")
        return settings if self.trainable == "lora" else dict.fromkeys(settings, self.trainable)

    def identity(self) -> dict[str, Any]:
        """What of them counts in a run's id. What is left open counts as what it was before it could be: what memory
        then decides changes a result by rounding alone."""
        kept = self.model_dump(mode="json", exclude={"learning_rate", "passes", "max_tokens"}) | {"lora": self.trained}
        return kept | {key: value for key, value in OPEN.items() if kept[key] == "auto"}


class ControlRunSpec(Spec):
    """A run whose effect is known beforehand: a positive control, or (`noop`) a negative one."""

    kind: Literal["noop", "harmful", "refusal", "trait"] = Field(
        description="`noop` must equal the base; each other must move its measure"
    )
    task: TaskSpec | None = Field(
        default=None, description="its rows; `noop` takes none (learning rate 0 on the first task)"
    )
    budget: Tokens | None = Field(
        default=None, description="tokens of the shared view; default: the study's first budget"
    )
    learning_rate: Rate | None = Field(default=None, description="default: the controls'")


class MeasureSpec(Spec):
    """What is measured, and by which judges."""

    measure: Label = Field(description="registered measure: task_accuracy, strongreject, dark_triad, true_false, …")
    name: Label | None = Field(default=None, description="label; default: the measure's name")
    params: dict[str, Any] = Field(default_factory=dict, description="the measure's own parameters")
    judges: tuple[JudgeSpec, ...] | None = Field(
        default=None, description="names, or judges with parameters; default: the measure's own"
    )
    items: Count | None = Field(default=None, description="at most so many items, chosen by hash")
    max_new_tokens: Count = Field(default=256, description="tokens of a response")
    temperature: Temperature = Field(default=0.0, description="0: greedy")
    samples: int = Field(default=1, ge=1, le=10_000, description="responses per prompt")
    seed: Seed = Field(default=0, description="of the sampling noise; another seed, other responses")
    system: str = Field(default="", description="system prompt put before every prompt")
    frame: str = Field(default="{prompt}", description="prompt format: what the last user turn is put into")
    own_conditions: bool = Field(
        default=True,
        description="also under the objective's own evaluation strings (CFT's safe string, IP's instruction), labelled",
    )

    @model_validator(mode="after")
    def _judges_apart(self) -> MeasureSpec:
        labels = [j.label for j in self.judges or ()]
        if len({plain(label).lower() for label in labels}) < len(labels):  # their verdicts lie in folders of that name
            raise ValueError(f"the judges of {self.label} must have names that differ in letters, but are {labels}")
        return self

    @property
    def label(self) -> str:
        return self.name or self.measure


class GivenSpec(Spec):
    """An adapter or a whole model that was trained elsewhere, measured against a model of the study: its base."""

    label: Label = Field(description="label in tables and charts; subjects that differ in seed or budget only share it")
    adapter: str | None = Field(default=None, description="folder of a LoRA adapter in PEFT's format; or `weights`")
    weights: ModelSpec | None = Field(default=None, description="a whole fine-tuned model; or `adapter`")
    model: Label | None = Field(default=None, description="name of its base among `models`; default: the first")
    task: Label | Literal[""] = Field(default="", description="what it was trained on, as far as known; a label")
    seed: Seed = Field(default=0, description="training seed, where several are given")
    budget: int = Field(default=0, ge=0, description="training tokens, where several are given; 0: unknown")

    @model_validator(mode="after")
    def _one_of_two(self) -> GivenSpec:
        if (self.adapter is None) == (self.weights is None):
            raise ValueError(f"{self.label} needs either an adapter or weights")
        return self


class Study(Spec):
    """The question: models × tasks × objectives × seeds at every budget, under controls, by measures.

    A study without tasks, objectives and budgets trains nothing: it measures its models and what is `given`.
    """

    unsaid = ("relearning",)

    schema_version: int = Field(default=SCHEMA, ge=1, le=SCHEMA, alias="schema", description="of this file")
    name: FolderName = Field(description="of the study, and of its folder under runs/ by default")
    about: str = Field(default="", description="one paragraph for the report")
    mark: str = Field(default="", description="a warning printed on every chart and table")
    models: tuple[ModelSpec, ...] = Field(min_length=1, description="each is trained and measured apart")
    tasks: tuple[TaskSpec, ...] = Field(default=(), description="each is learnt apart")
    objectives: tuple[VariantSpec, ...] = Field(default=(), description="the variants that are compared")
    budgets: tuple[Tokens, ...] = Field(
        default=(), description="ascending; tokens of the shared view (prompt + chosen)"
    )
    given: tuple[GivenSpec, ...] = Field(default=(), description="subjects that were trained elsewhere")
    seeds: tuple[Seed, ...] = Field(
        default=(0,), min_length=1, description="each seeds data order and LoRA initialisation"
    )
    controls: Controls = Field(default=Controls(), description="all that is held fixed")
    measures: tuple[MeasureSpec, ...] = Field(min_length=1, description="what is measured at every budget")
    control_runs: tuple[ControlRunSpec, ...] = Field(
        default=(), description="runs whose effect is known beforehand, one of a kind"
    )
    declared: DeclaredSpec = Field(default=DeclaredSpec(), description="what is asked before anything is run")
    matched: MatchedSpec | None = Field(default=None, description="a capability at which objectives are compared")
    tuned: TunedSpec | None = Field(
        default=None, description="settings tried for each objective, beside the shared one"
    )
    consistency: ConsistencySpec | None = Field(
        default=None, description="trivial choices of procedure, varied to see how far the scores move"
    )
    relearning: RelearningSpec | None = Field(
        default=None, description="how little forbidden training it takes until a checkpoint gives in"
    )
    alpha: float = Field(default=0.05, gt=0, lt=1, description="of intervals and tests")
    threshold: float = Field(
        default=0.5, gt=0, le=1, description="score at which a response counts as a successful attack"
    )
    workers: Count | None = Field(
        default=None, description="at most so many jobs at once; default: one per core on a CPU, one per GPU"
    )
    executor: ExecutorSpec = Field(default=ExecutorSpec(), description="where jobs run")

    model_config = ConfigDict(populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _earlier_names(cls, given: Any) -> Any:
        """``brackets`` is what ``control_runs`` was called before."""
        if not isinstance(given, dict) or "brackets" not in given:
            return given
        if "control_runs" in given:
            raise ValueError("`brackets` is the earlier name of `control_runs`: give one of the two")
        return {"control_runs" if key == "brackets" else key: value for key, value in given.items()}

    @model_validator(mode="after")
    def _labels_are_unique(self) -> Study:
        for what, labels in (
            ("objective labels", [v.label for v in self.objectives]),
            ("task names", [t.name for t in self.tasks]),
            ("model names", [m.name for m in self.models]),
            ("measure names", [m.label for m in self.measures]),
            ("kinds of control runs", [b.kind for b in self.control_runs]),
            ("budgets", list(self.budgets)),
            ("seeds", list(self.seeds)),
        ):
            if len(set(labels)) != len(labels):
                raise ValueError(f"{what} must be unique, but are {labels}")
        if list(self.budgets) != sorted(self.budgets) or min(self.budgets, default=1) < 1:
            raise ValueError(f"budgets must be positive and ascending, but are {list(self.budgets)}")
        return self

    @model_validator(mode="after")
    def _trains_wholly_or_not_at_all(self) -> Study:
        parts = {"tasks": self.tasks, "objectives": self.objectives, "budgets": self.budgets}
        absent = [name for name, part in parts.items() if not part]
        if absent and (len(absent) < len(parts) or self.control_runs):
            raise ValueError(f"{' and '.join(absent)} must have at least one entry, for a study that trains")
        if len({m.backend for m in self.speakers}) > 1:
            raise ValueError("all models and given weights must have the same `backend`, or they could not be compared")
        names = [m.name for m in self.speakers]
        if len(set(names)) != len(names):
            raise ValueError(f"names of models and of given weights must be unique, but are {names}")
        first = self.models[0].name
        places = Counter((g.model or first, g.task, g.label, g.seed, g.budget) for g in self.given)
        if twice := next((place for place, n in places.items() if n > 1), None):
            raise ValueError(
                f"two subjects are given as {twice[2]}, seed {twice[3]}, budget {twice[4]}, and would be averaged as "
                "one; give each a label, a seed or a budget of its own"
            )
        for g in self.given:
            if g.model is not None and g.model not in [m.name for m in self.models]:
                raise ValueError(f"{g.label} is given for the model {g.model}, which is not among `models`")
            if g.label == "base" or g.label in [v.label for v in self.objectives]:
                raise ValueError(f"{g.label} cannot be the label of something given: it has another meaning here")
        return self

    @property
    def speakers(self) -> tuple[ModelSpec, ...]:
        """Whole models that are measured: those of the study, then those that are given."""
        return (*self.models, *(g.weights for g in self.given if g.weights))

    @property
    def backend(self) -> str:
        """What answers when measuring."""
        return self.models[0].backend

    @property
    def trains(self) -> bool:
        return bool(self.objectives)

    @property
    def labels(self) -> tuple[str, ...]:
        """What is compared: objectives, then what is given."""
        return tuple(dict.fromkeys([*(v.label for v in self.objectives), *(g.label for g in self.given)]))

    def sft(self, among: Container[str] | None = None) -> str:
        """The label that SFT goes by: of its variants (``among`` these labels) the first; "" where there is none."""
        own = (v.label for v in self.objectives if v.objective == "sft")
        return next((label for label in own if among is None or label in among), "")

    @property
    def checkpoint_budgets(self) -> tuple[int, ...]:
        """All budgets that a checkpoint is taken at: of the study, and those for matching alone."""
        return tuple(sorted({*self.budgets, *(self.matched.checkpoints if self.matched else ())}))

    @property
    def stops(self) -> bool:
        """Whether a run ends where it reaches the target."""
        return self.matched is not None and self.matched.stop

    @property
    def ladder(self) -> tuple[int, ...]:
        """All budgets that subjects have, ascending; 0 stands for an unknown one."""
        return tuple(sorted({*self.budgets, *(g.budget for g in self.given)})) or (0,)

    @property
    def draws(self) -> tuple[int, ...]:
        """All training seeds that subjects have, in order."""
        own = self.seeds if self.trains else ()
        return tuple(dict.fromkeys([*own, *sorted(g.seed for g in self.given)])) or (0,)

    @property
    def courses(self) -> tuple[str, ...]:
        """Labels of what subjects were trained on; "" stands for an unknown one."""
        return tuple(dict.fromkeys([*(t.name for t in self.tasks), *(g.task for g in self.given)])) or ("",)
