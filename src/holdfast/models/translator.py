"""Translation by an encoder–decoder model of Hugging Face: NLLB, M2M100, mBART, Marian, T5."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from holdfast.models.memory import LESS, enough_for
from holdfast.models.weights import pretrained, quiet
from holdfast.store.sources import AS_FILES, model_folder, reason
from holdfast.types import UserError

ROWS = 16  # lines in a batch


class Seq2Seq:
    """Translates texts line by line, as these models learnt sentences and not documents; empty lines stay.

    source, target: language codes, used by a tokenizer that has languages. prefix: put before each line for a model
    that has none. Deterministic beam search. A text has no translation where one of its lines is longer than the model
    reads, comes back empty, or does not end within ``max_new_tokens``.
    """

    def __init__(
        self,
        path: str,
        revision: str | None = None,
        *,
        source: str,
        target: str,
        prefix: str = "",
        max_new_tokens: int = 512,
        beams: int = 4,
        threads: int | None = None,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        folder = model_folder(path, revision)
        who = f"the translation model (encoder–decoder) {path}"
        try:
            with quiet():
                self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, **AS_FILES)
        except Exception as error:  # of whatever kind: the folder is anybody's
            raise UserError(f"{who} cannot be loaded: {reason(error)}") from error
        self.model, _ = pretrained(AutoModelForSeq2SeqLM, folder, who)
        self.model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        self.path, self.prefix = path, prefix
        self.how: dict[str, Any] = {"max_new_tokens": max_new_tokens, "num_beams": beams, "do_sample": False}
        if hasattr(self.tokenizer, "src_lang"):
            self._language(path, source)
            self.tokenizer.src_lang = source
            self.how["forced_bos_token_id"] = self._language(path, target)

    def translate(self, texts: Sequence[str]) -> list[str | None]:
        """One translation for each text, in their order; None where there is none."""
        lines = [line.strip() for text in texts for line in text.split("\n") if line.strip()]
        known = dict(zip(lines, self._lines(lines), strict=True))
        found: list[str | None] = []
        for text in texts:
            parts = [known[line.strip()] if line.strip() else "" for line in text.split("\n")]
            found.append(None if None in parts else "\n".join(part or "" for part in parts))
        return found

    def _language(self, path: str, code: str) -> int:
        """The id of a language's token."""
        try:
            of_code = getattr(self.tokenizer, "get_lang_id", self.tokenizer.convert_tokens_to_ids)
            id = of_code(code)
        except KeyError:
            id = None
        if id in (None, self.tokenizer.unk_token_id):
            raise UserError(f"the translation model {path} knows no language {code!r}; its model card lists the codes")
        return int(id)

    def _lines(self, lines: Sequence[str]) -> Iterator[str | None]:
        reads = getattr(self.model.config, "max_position_embeddings", None) or self.tokenizer.model_max_length
        for start in range(0, len(lines), ROWS):
            some = [self.prefix + line for line in lines[start : start + ROWS]]
            fits = [len(ids) <= reads for ids in self.tokenizer(some)["input_ids"]]
            some = [line for line, fit in zip(some, fits, strict=True) if fit]  # one must not take its neighbours along
            said = self._generated(some) if some else iter(())
            for fit in fits:
                yield next(said) if fit else None

    @torch.inference_mode()
    def _generated(self, lines: Sequence[str]) -> Iterator[str | None]:
        batch = self.tokenizer(lines, return_tensors="pt", padding=True).to(self.model.device)
        with enough_for(f"the translation model {self.path}", f"take fewer `beams`, or {LESS}"):
            out_BL = self.model.generate(**batch, **self.how)
        end = self.model.generation_config.eos_token_id
        ends = set(end if isinstance(end, list) else [end])
        for ids in out_BL[:, 1:].tolist():  # the first is the decoder's start
            text = self.tokenizer.decode(ids, skip_special_tokens=True).strip()
            yield text if text and ends & set(ids) else None
