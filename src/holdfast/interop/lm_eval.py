"""lm-eval's tasks on a subject: the model ``holdfast`` of the LM Evaluation Harness (extra ``lm-eval``).

    python -m holdfast.interop.lm_eval run --model holdfast --model_args pretrained=FOLDER,adapter=FOLDER --tasks …

lm-eval encodes context and continuation as one text and asks for the log-prob of what is then the continuation's part;
that is done here as it does it, with its tokenizer, so that its numbers are its own. Only the network, the adapter, the
chat template and the noise of sampling are holdfast's.

Shape legend: N scored tokens of a batch, C a chunk of them, V vocabulary.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Sequence as Many
from typing import Any

import torch
from lm_eval.api.model import CacheHook, TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from transformers import AutoTokenizer

from holdfast.config.study import ModelSpec
from holdfast.data.renderer import Renderer
from holdfast.models import adapters, head, memory
from holdfast.models.backend import InProcess
from holdfast.models.layouts import Layout, arrange, micro_batches
from holdfast.models.network import load
from holdfast.store.digest import digest
from holdfast.store.sources import AS_FILES, data_file, model_folder
from holdfast.types import Request, Response, Sampling, Segment, Sequence, Subject, Turn, UserError

Scored = tuple[float, bool]  # log-prob (nats) of a continuation, and whether greedy decoding would have written it
OWNER = "holdfast subject"  # the key of lm-eval's cache that says whose answers it holds
PLAIN = "package:holdfast.interop/plain.jinja"  # for a model without a chat template
NAME = "pretrained"  # a path is no label
LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
TAKEN = {"until", "do_sample", "temperature", "top_p", *LENGTHS}


@register_model("holdfast")
class Holdfast(TemplateLM):
    """A base model, or one with a LoRA adapter.

    pretrained, revision, template, system, thinking, date, dtype, device, attention: as of a study's model
        (``pretrained`` is its path). A model without a chat template gets one that joins the turns.
    adapter: folder of a LoRA adapter in PEFT's format; ``peft``, lm-eval's word for it, does as well.
    add_bos_token: whether a text that does not begin with BOS gets one; by default as the tokenizer does.
    max_length: tokens of context; by default those that the model was made for.
    seed: of the noise of sampled responses.
    batch_tokens: positions of a batch; by default what memory allows. ``batch_size`` of lm-eval is not looked at.
    """

    def __init__(
        self,
        pretrained: str,
        adapter: str | None = None,
        peft: str | None = None,
        add_bos_token: bool | None = None,
        max_length: int | None = None,
        seed: int = 0,
        batch_tokens: int | None = None,
        device: str | None = None,
        batch_size: Any = None,
        max_batch_size: Any = None,
        **of_model: Any,
    ) -> None:
        super().__init__()
        self.tokenizer = AutoTokenizer.from_pretrained(model_folder(pretrained, of_model.get("revision")), **AS_FILES)
        if not self.tokenizer.chat_template:
            of_model.setdefault("template", PLAIN)
        if device is None or (device.startswith("cuda") and not torch.cuda.is_available()):
            device = "auto"  # lm-eval's command line says cuda:0 on every machine
        self.network = load(ModelSpec(name=NAME, path=pretrained, device=device, **of_model))
        self.renderer: Renderer = self.network.renderer
        self.network.renderer = _Ids(self.renderer)  # type: ignore[assignment]
        self.add_bos_token, self.seed = add_bos_token, seed
        self.max_length = max_length or self.network.max_positions
        if self.max_length > self.network.max_positions:
            raise UserError(
                f"max_length {max_length} is beyond the {self.network.max_positions} positions of the model"
            )
        self._device = self.network.device
        self._backend = InProcess(self.network, batch_tokens=batch_tokens)
        self._layout: Layout | None = None
        self.subject = self._subject(adapter or peft)

    def _subject(self, adapter: str | None) -> Subject:
        """With the adapter in the network, where it is checked to change something."""
        name = self.network.spec.name
        subject = Subject(self._backend.identity(Subject("", name, adapter)), name, adapter)
        if adapter:
            adapters.load(self.network, adapter)
            self._backend.assert_live(subject, _turns(self.renderer.prompt_ids((Turn("user", "Who are you?"),))))
        return subject

    # -- what lm-eval wants to know ---------------------------------------------------------------------------------

    @property
    def eot_token_id(self) -> int:
        return self.tokenizer.eos_token_id

    @property
    def prefix_token_id(self) -> int:
        """What stands before a text without context."""
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else bos

    @property
    def tokenizer_name(self) -> str:
        """In the key of lm-eval's cache of requests: another base, adapter or template is another name."""
        return f"holdfast-{self.subject.id}"

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        """As lm-eval's own ``hf`` model: with BOS where the tokenizer adds one and the text has none."""
        if add_special_tokens is None:
            add_special_tokens = self.add_bos_token
            if string.startswith(self.tokenizer.decode(self.prefix_token_id)):
                add_special_tokens = False
        given = {} if add_special_tokens is None else {"add_special_tokens": add_special_tokens}
        return self.tokenizer.encode(string, **given)

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """By holdfast's renderer. Without a generation prompt the last message is a beginning to be gone on from."""
        turns = tuple(Turn(message["role"], message["content"]) for message in chat_history)
        if add_generation_prompt:
            return self.renderer.prompt_text(turns)
        return self.renderer.prompt_text(turns[:-1]) + turns[-1].content

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        if not chat_template:
            return None
        given = self.network.spec.template
        return data_file(given).read_text(encoding="utf-8-sig") if given else self.tokenizer.chat_template

    def get_model_info(self) -> dict[str, Any]:
        """For ``config`` of lm-eval's results: who was measured, by content."""
        return {
            "model_num_parameters": sum(p.numel() for p in self.network.model.parameters()),
            "model_dtype": self.network.dtype,
            "model_revision": self.network.spec.revision or "",
            "model_sha": self.network.digest,
            "holdfast_subject": self.subject.id,
        }

    def set_cache_hook(self, cache_hook: CacheHook) -> None:
        """lm-eval's cache of answers has no model in its keys: a file of another subject's answers is refused."""
        cached = cache_hook.dbdict
        if cached is not None:
            if len(cached) and cached.get(OWNER) != self.subject.id:
                raise UserError("lm-eval's cache holds answers of another model or adapter: name another `use_cache`")
            cached[OWNER] = self.subject.id
        super().set_cache_hook(cache_hook)

    # -- log-probs --------------------------------------------------------------------------------------------------

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str] | None, list[int], list[int]]], **kwargs: Any
    ) -> list[Scored]:
        """Requests that follow one another with one context run it once. Too long a context loses its beginning."""
        sequences = [self._sequence(context, continuation) for _, context, continuation in requests]
        groups = [list(same) for _, same in itertools.groupby(sequences, key=lambda s: s.prompt_ids)]
        if groups and self._layout is None:
            self._layout = self._best(groups)
        found: dict[int, list[Scored]] = {}
        for part in micro_batches(groups, self._layout or "padded", self._backend.batch_tokens):
            answers = memory.halving(self._scored, [groups[i] for i in part], self.network.spec.name)
            found |= dict(zip(part, answers, strict=True))
        results = [scored for i in range(len(groups)) for scored in found[i]]
        for (asked, _, _), scored in zip(requests, results, strict=True):
            if asked is not None:
                self.cache_hook.add_partial("loglikelihood", asked, scored)
        return results

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        results = []
        for (text,) in (request.args for request in requests):
            windows = get_rolling_token_windows(self.tok_encode(text), self.prefix_token_id, self.max_length, 1)
            pairs = map(make_disjoint_window, windows)
            results.append(sum(logp for logp, _ in self._loglikelihood_tokens([(None, *pair) for pair in pairs])))
            self.cache_hook.add_partial("loglikelihood_rolling", (text,), results[-1])
        return results

    def _sequence(self, context: list[int], continuation: list[int]) -> Sequence:
        if not continuation or len(continuation) > self.max_length:
            raise UserError(f"a continuation of {len(continuation)} tokens cannot be scored in {self.max_length}")
        ids = tuple(context + continuation)[-(self.max_length + 1) :]  # the last token is not run
        start = len(ids) - len(continuation)
        return Sequence(ids, start, Segment(digest(ids[:start]), "chosen", (), ""))

    def _best(self, groups: list[list[Sequence]]) -> Layout:
        """Shared contexts, where this model's rows can be laid out so."""
        some = [s for group in sorted(groups, key=lambda group: len(group[0].ids))[:2] for s in group]
        try:
            head.check(self.network, arrange(some, "shared", self.renderer.pad_id, self.network.device), "full")
            return "shared"
        except UserError:
            return "padded"

    @torch.no_grad()
    def _scored(self, groups: list[list[Sequence]]) -> list[list[Scored]]:
        flat = [s for group in groups for s in group]
        assert self._layout
        batch = arrange(flat, self._layout, self.renderer.pad_id, self.network.device)
        logps, greedy = [], []
        chunks = head.hidden_ND(self.network, batch).split(head.FEW), batch.target_N.split(head.FEW)
        for hidden_CD, target_C in zip(*chunks, strict=True):
            logp_CV = self.network.own_logits(hidden_CD).float().log_softmax(-1)
            logps.append(logp_CV.gather(1, target_C.unsqueeze(1)).squeeze(1))
            greedy.append(logp_CV.argmax(-1) == target_C)
        lengths = [len(s.response_ids) for s in flat]
        scored = iter(
            (float(logp.sum()), bool(is_greedy.all()))
            for logp, is_greedy in zip(torch.cat(logps).split(lengths), torch.cat(greedy).split(lengths), strict=True)
        )
        return [[next(scored) for _ in group] for group in groups]

    # -- responses --------------------------------------------------------------------------------------------------

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Responses are cut at the first stop text after they are written. A request put twice is two samples."""
        times: Counter[str] = Counter()
        asked = []
        for context, how in (request.args for request in requests):
            one = self._request(context, how, 0)
            asked.append(one if not times[one.key] else self._request(context, how, times[one.key]))
            times[one.key] += 1
        said: dict[str, Response] = {r.key: r for r in self._backend.generate(asked)}
        texts = []
        for request, put in zip(requests, asked, strict=True):
            texts.append(_cut(said[put.key].text, request.args[1].get("until")))
            self.cache_hook.add_partial("generate_until", request.args, texts[-1])
        return texts

    def _request(self, context: str, how: dict[str, Any], sample: int) -> Request:
        if unknown := sorted(how.keys() - TAKEN):
            raise UserError(
                f"holdfast generates without {', '.join(unknown)}: leave it out of the generation arguments"
            )
        length = int(next((how[name] for name in LENGTHS if how.get(name) is not None), 256))
        if length >= self.max_length:
            raise UserError(f"{length} new tokens leave no room for a prompt in {self.max_length}: set max_gen_toks")
        heat = 0.0 if how.get("do_sample") is False else float(how.get("temperature") or 0.0)
        sampling = Sampling(length, heat, float(how.get("top_p") or 1.0), seed=self.seed)
        turns = _turns(self.tok_encode(context)[-(self.max_length - length) :])
        return Request(digest([self.subject.id, turns, sampling, sample]), self.subject, turns, (), sampling)


class _Ids:
    """A renderer of token ids, each a word: lm-eval has rendered and encoded already."""

    def __init__(self, renderer: Renderer) -> None:
        self.digest, self._decode = renderer.digest, renderer.decode
        self.end_ids, self.pad_id = renderer.end_ids, renderer.pad_id

    def asked_ids(self, turns: tuple[Turn, ...]) -> tuple[int, ...]:
        return tuple(int(word) for word in turns[0].content.split())

    def answer(self, turns: tuple[Turn, ...], ids: Many[int]) -> str:
        return self._decode(ids, self.asked_ids(turns))


def _turns(ids: Many[int]) -> tuple[Turn, ...]:
    return (Turn("user", " ".join(map(str, ids))),)


def _cut(text: str, until: str | list[str] | None) -> str:
    for stop in [until] if isinstance(until, str) else until or []:
        if stop:
            text = text.split(stop)[0]
    return text


def main() -> None:
    """lm-eval's own command line, with ``--model holdfast`` known to it."""
    from lm_eval.__main__ import cli_evaluate

    try:
        cli_evaluate()
    except UserError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
