"""vLLM behind the protocol of ``backend.Backend``: one engine, and every adapter of a study in one call.

Prompts are holdfast's own token ids; vLLM's tokenizer, template and generation defaults stay out of it, and so do its
usage statistics. Log-probs are of the plain distribution, whatever the temperature.

What differs from ``backend.InProcess``: sampled noise is vLLM's own, seeded by each request's key, so a sampled
response is another draw from the same distribution; adapters have the base's dtype, where in this process they are
fp32; and a greedy near-tie can fall the other way. vLLM is no dependency: see ``docs/backends.md``.
"""

from __future__ import annotations

import collections.abc as abc
import gc
import importlib.util
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from transformers import AutoConfig

from holdfast import rng
from holdfast.data.renderer import Renderer
from holdfast.models import vllm_adapters
from holdfast.models.backend import NotLive
from holdfast.models.identity import subject_id
from holdfast.models.vllm_adapters import INSTEAD, Lora
from holdfast.store.adapter_files import adapter_digest
from holdfast.store.model_files import model_digest
from holdfast.store.sources import AS_FILES, model_folder, reason
from holdfast.types import Request, Response, Sampling, Scored, Subject, Turn, UserError

if TYPE_CHECKING:
    from holdfast.config.study import ModelSpec

SETTINGS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine in this process: its errors arrive as what they are
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # workers share the cores as OMP_NUM_THREADS says
    "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB; by default it would be a share of all the memory there is
}
COLDEST, HOTTEST = 0.01, 2.0  # vLLM silently raises a lower temperature and refuses a higher one
AT_ONCE = 128  # most ids that one request may ask the log-probs of
ASKED = 20  # tokens whose log-probs the check of an adapter compares


class Call(NamedTuple):
    """One request to the engine: who is asked, the prompt's ids, and vLLM's ``SamplingParams``."""

    subject: Subject
    ids: tuple[int, ...]
    params: Any


class VLLM:
    """One engine over one base model, which serves the base and its LoRA adapters.

    ``adapters`` are the folders that it will be asked for; all are read before the engine starts, which takes half a
    minute. ``slots`` is how many of them a batch may hold; ``options`` go to ``vllm.LLM`` as they are.

    The base is asked through an adapter of zeros. In vLLM's kernels for a CPU, "no adapter" is index −1, the *last*
    slot: with every slot filled, the base answers with somebody's adapter (0.32.0; vllm-project/vllm #48421). Adding
    zero changes no bit, and the check that an adapter is live then compares like with like.

    Raises ``UserError`` where vLLM is not installed and for what it cannot serve.
    """

    def __init__(self, spec: ModelSpec, adapters: abc.Iterable[Path | str] = (), *, slots: int = 8, **options: Any):
        loras = [vllm_adapters.read(folder) for folder in adapters]
        folder = model_folder(spec.path, spec.revision)
        self.spec, self.renderer, self.digest = spec, Renderer.of(spec), model_digest(folder)
        config = _config(folder)
        if getattr(config, "quantization_config", None) is not None:
            raise UserError(f"the weights of {spec.name} are quantised, which is untried with vLLM: {INSTEAD}")
        self.max_positions = _positions(config, folder)
        self._scratch = tempfile.TemporaryDirectory()
        self._asked_as: dict[str, Any] = {}  # LoRARequest by the adapter's digest
        self._modules = frozenset[str]().union(*(lora.modules for lora in loras))
        self._rank = vllm_adapters.room(loras) if loras else 0
        self._engine = _engine(self, folder, len({lora.digest for lora in loras}), slots, options)
        self._zero = None
        if loras:
            self._zero = self._load(vllm_adapters.write_zero(loras[0], Path(self._scratch.name) / "zero"))
            for lora in loras:
                self._speaker(lora)
        self._try()

    def identity(self, subject: Subject) -> str:
        """The digest of base, adapter weights and template, from the files as they are now."""
        return subject_id(self.digest, self.renderer.digest, subject.adapter)

    def generate(self, requests: abc.Iterable[Request]) -> Iterator[Response]:
        """All requests, of all their subjects, in one call."""
        asked, calls = [], []
        for r in requests:
            ids = self.renderer.asked_ids(r.turns)
            if len(ids) + r.sampling.max_new_tokens > self.max_positions:
                yield Response(r.key, "", 0, "overlong")
            else:
                asked.append(r)
                calls.append(Call(r.subject, ids, self._drawn(r.key, r.sampling)))
        for r, answer in zip(asked, self._ask(calls), strict=True):
            said = answer.outputs[0]
            self._finite(r.subject, _numbers(answer))
            stopped = said.finish_reason == "stop"
            ids = tuple(said.token_ids)[: -1 if stopped else None]
            yield Response(r.key, self.renderer.answer(r.turns, ids), len(ids), "stop" if stopped else "length")

    def score(self, requests: abc.Iterable[Request]) -> Iterator[Scored]:
        """Exact log-probs of continuations of any length.

        A continuation's last token is asked for as a possible next one, by its id; the tokens before it are part of the
        prompt, whose log-probs are asked for where there are any. Answers of one token (Yes, No) therefore share one
        forward pass over the prompt.
        """
        wanted: dict[tuple[Subject, tuple[int, ...], int], set[int]] = {}  # (who, all but the last, prompt): last ones
        asked = []
        for r in requests:
            prompt = self.renderer.asked_ids(r.turns)
            forms = [self.renderer.continuation_ids(text) for text in r.continuations]
            if not all(forms):
                raise UserError(f"the continuation {r.continuations[forms.index(())]!r} holds no token to be scored")
            if len(prompt) + max(map(len, forms)) > self.max_positions:
                yield Scored(r.key, (), ())
                continue
            asked.append((r, prompt, forms))
            for ids in forms:
                wanted.setdefault((r.subject, prompt + ids[:-1], len(prompt)), set()).add(ids[-1])
        logps = self._logps(wanted)
        for r, prompt, forms in asked:
            found = tuple(logps[r.subject, prompt + ids, len(prompt)] for ids in forms)
            yield Scored(r.key, found, tuple(map(len, forms)))

    def assert_live(self, subject: Subject, turns: tuple[Turn, ...]) -> None:
        """Raises ``NotLive`` where the adapter's log-probs are the base's.

        Compared are those of the prompt's tokens and of the likeliest next ones, to the bit. The two are asked apart,
        so that both have a batch of one shape.
        """
        if subject.adapter is None:
            return
        ids, base = self.renderer.asked_ids(turns), Subject("", subject.model)
        params = self._params(max_tokens=1, temperature=0.0, prompt_logprobs=0, logprobs=ASKED)
        (own,), (plain,) = (self._ask([Call(who, ids, params)]) for who in (subject, base))
        self._finite(subject, _numbers(own))
        if _numbers(own) == _numbers(plain):
            raise NotLive(f"the adapter at {subject.adapter} is not live: its log-probs equal the base model's")

    def close(self) -> None:
        """Gives the engine's memory back; nothing can be asked afterwards."""
        self._engine.llm_engine.engine_core.shutdown()
        del self._engine
        self._scratch.cleanup()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _ask(self, calls: abc.Sequence[Call]) -> list[Any]:
        """vLLM's answers, in the order of the calls."""
        if not calls:
            return []
        speakers = {subject: self._speaker_of(subject) for subject in {call.subject for call in calls}}
        return self._engine.generate(
            [{"prompt_token_ids": list(call.ids)} for call in calls],
            [call.params for call in calls],
            lora_request=[speakers[call.subject] for call in calls],
            use_tqdm=False,
        )

    def _logps(
        self, wanted: abc.Mapping[tuple[Subject, tuple[int, ...], int], set[int]]
    ) -> dict[tuple[Subject, tuple[int, ...], int], float]:
        """The summed log-prob of each continuation, by (who, prompt and continuation, length of the prompt)."""
        parts, calls = [], []
        for (subject, ids, start), last in wanted.items():
            before = 0 if len(ids) > start else None
            for some in _portions(sorted(last), AT_ONCE):
                parts.append((subject, ids, start, some))
                params = self._params(max_tokens=1, temperature=0.0, prompt_logprobs=before, logprob_token_ids=some)
                calls.append(Call(subject, ids, params))
        logps = {}
        for (subject, ids, start, some), answer in zip(parts, self._ask(calls), strict=True):
            begun = sum(answer.prompt_logprobs[i][ids[i]].logprob for i in range(start, len(ids)))
            (following,) = answer.outputs[0].logprobs
            for last_id in some:
                logp = begun + following[last_id].logprob
                self._finite(subject, [{last_id: logp}])
                logps[subject, (*ids, last_id), start] = logp
        return logps

    def _finite(self, subject: Subject, places: list[dict[int, float]]) -> None:
        """Raises UserError where a log-prob is not finite: such a subject has no answer, which is not a safe one."""
        if any(math.isnan(logp) or logp == math.inf for place in places for logp in place.values()):
            who = f"the model {self.spec.name}" if subject.adapter is None else f"the adapter at {subject.adapter}"
            raise UserError(f"{who} gives log-probs that are not finite: nothing can be measured; check its weights")

    def _drawn(self, key: str, sampling: Sampling) -> Any:
        heat = sampling.temperature
        if heat > HOTTEST or 0 < heat < COLDEST:
            raise UserError(
                f"vLLM samples at temperatures of {COLDEST} to {HOTTEST:g}, not at {heat:g}: choose one of those, or 0 "
                f"for greedy, or {INSTEAD}"
            )
        return self._params(
            # The log-prob of what is chosen tells whether the logits are finite.
            max_tokens=sampling.max_new_tokens,
            temperature=heat,
            top_p=sampling.top_p,
            seed=rng.seed(key),
            logprobs=0,
        )

    def _params(self, **how: Any) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        ends = list(self.renderer.end_ids)  # these and no others end a response
        return SamplingParams(
            ignore_eos=True, stop_token_ids=ends, detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY, **how
        )

    def _speaker_of(self, subject: Subject) -> Any:
        """vLLM's name for a subject. An adapter is known by its content: vLLM caches prompts by that name."""
        if subject.adapter is None:
            return self._zero
        known = self._asked_as.get(adapter_digest(subject.adapter))
        return known or self._speaker(vllm_adapters.read(subject.adapter))

    def _speaker(self, lora: Lora) -> Any:
        if lora.rank > self._rank or not lora.modules <= self._modules:
            raise UserError(
                f"the adapter at {lora.folder} is larger than those that the engine was started with: name it when the "
                f"engine is started, or {INSTEAD}"
            )
        if lora.digest not in self._asked_as:
            self._asked_as[lora.digest] = self._load(lora)
        return self._asked_as[lora.digest]

    def _load(self, lora: Lora) -> Any:
        from vllm.lora.request import LoRARequest

        request = LoRARequest(lora.digest, len(self._asked_as) + 2 if self._zero else 1, str(lora.folder))
        try:
            self._engine.llm_engine.add_lora(request)
        except Exception as error:
            raise UserError(f"vLLM cannot serve the adapter at {lora.folder} ({_reason(error)}): {INSTEAD}") from error
        return request

    def _try(self) -> None:
        """One token: what the attention kernel cannot run shows at the first forward pass only."""
        try:
            params, base = self._params(max_tokens=1, temperature=0.0, logprobs=0), Subject("", self.spec.name)
            (answer,) = self._ask([Call(base, self.renderer.end_ids[:1], params)])
        except RuntimeError as error:
            raise UserError(f"vLLM cannot run {self.spec.name} ({_reason(error)}): {INSTEAD}") from error
        self._finite(base, _numbers(answer))


def _engine(backend: VLLM, folder: Path, adapters: int, slots: int, options: abc.Mapping[str, Any]) -> Any:
    """``vllm.LLM``, with nothing of its own that would change an answer."""
    if importlib.util.find_spec("vllm") is None:
        raise UserError(
            "vLLM is not installed: install the extra `vllm`, in an environment of its own (docs/backends.md), or "
            + INSTEAD
        )
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    gc.collect()  # of what this process held before
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    from vllm import LLM
    from vllm.platforms import current_platform

    spec, device = backend.spec, current_platform.device_type
    if spec.device not in ("auto", device):
        raise UserError(
            f"this vLLM runs on {device}, not on {spec.device}: set `device: auto` (CUDA_VISIBLE_DEVICES chooses a GPU)"
        )
    if spec.gpus > 1 and device == "cpu":
        raise UserError(f"{spec.name} is to lie on {spec.gpus} GPUs (`gpus`) and this vLLM runs on a CPU: leave it out")
    dtype = spec.dtype if spec.dtype != "auto" else "float32" if device == "cpu" else "bfloat16"
    how: dict[str, Any] = {"tensor_parallel_size": spec.gpus}
    if adapters:
        # The zero adapter is one more. Modules are named so that the head is left alone: made ready for adapters, it
        # cannot give the log-probs of a prompt (vllm-project/vllm #16668).
        how |= {
            "enable_lora": True,
            "max_lora_rank": backend._rank,
            "max_loras": min(adapters, slots) + 1,
            "max_cpu_loras": adapters + 1,
            "lora_target_modules": sorted(backend._modules),
        }
    if device == "cpu":
        # A seeded response whose prompt is read in two parts ends in an error there, so none is. Small batches, for the
        # kernels copy an adapter's matrices for every token of one.
        how |= {"enable_chunked_prefill": False, "max_num_batched_tokens": max(512, backend.max_positions)}
    fixed = {
        "trust_remote_code": False,
        "skip_tokenizer_init": True,
        "generation_config": "vllm",
        "logprobs_mode": "raw_logprobs",
    }
    quiet = {"disable_log_stats": True, "use_tqdm_on_load": False}
    try:
        return LLM(
            str(folder),
            dtype=dtype,
            max_model_len=backend.max_positions,
            **{**how, **quiet, **options, **fixed},
        )
    except Exception as error:
        raise UserError(f"vLLM cannot serve {spec.name} ({_reason(error)}): {INSTEAD}") from error


def _config(folder: Path) -> Any:
    try:
        return AutoConfig.from_pretrained(folder, **AS_FILES)
    except Exception as error:  # of whatever kind: the folder is anybody's
        raise UserError(f"the model at {folder} cannot be read ({reason(error)})") from error


def _positions(config: Any, folder: Path) -> int:
    """As ``Network.max_positions``: both backends call the same rows over-long."""
    found = getattr(config.get_text_config(decoder=True), "max_position_embeddings", None)
    if not found:
        raise UserError(f"the configuration in {folder} states no `max_position_embeddings`, which vLLM needs")
    return found


def _reason(error: Exception) -> str:
    """The first sentence of an error that says something; pydantic's begin with a count."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[1] if len(lines) > 1 and "validation error" in lines[0] else lines[0] if lines else ""
    return said.removeprefix("Value error, ").partition(". ")[0][:200] or type(error).__name__


def _numbers(answer: Any) -> list[dict[int, float]]:
    """All log-probs of an answer, of the prompt's tokens and of the next."""
    places = [*(answer.prompt_logprobs or ()), *answer.outputs[0].logprobs]
    return [{i: found.logprob for i, found in place.items()} for place in places if place]


def _portions(ids: abc.Sequence[int], size: int) -> Iterator[list[int]]:
    for at in range(0, len(ids), size):
        yield list(ids[at : at + size])
