"""A GGUF file written out as a folder in Hugging Face's format: ``python -m holdfast.models.gguf FILE FOLDER``.

Weights are dequantised to float32, so that nothing is rounded a second time: 4 bytes a parameter. Format:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; transformers reads it by the package ``gguf``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from holdfast.models.weights import pretrained, quiet
from holdfast.store.sources import AS_FILES, reason
from holdfast.types import UserError


def write_out(file: Path, folder: Path) -> None:
    """Model, tokenizer and chat template of ``file`` into ``folder``, which is made.

    Raises UserError where transformers cannot read the file: an architecture it has no table for, or a damaged one.
    """
    dense = {"quantization_config": GgufConfig(dequantize=True), "dtype": torch.float32}
    model, _ = pretrained(AutoModelForCausalLM, file.parent, str(file), gguf_file=file.name, **dense)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, **AS_FILES)
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except Exception as error:  # of whatever kind: the file is anybody's
        raise UserError(f"{file} cannot be written out as a model: {reason(error)}") from error


if __name__ == "__main__":
    try:
        write_out(Path(sys.argv[1]), Path(sys.argv[2]))
    except UserError as error:
        sys.exit(str(error))
