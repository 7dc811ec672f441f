"""What this machine has, line by line, and whether holdfast can work on it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib import metadata

import typer

from holdfast import machine, registry
from holdfast.cli.arguments import say as to_terminal

app = typer.Typer()
PACKAGES = ("torch", "transformers", "peft", "tokenizers", "safetensors", "pyarrow", "altair")


@app.command()
def doctor() -> None:
    """What this machine has, and whether holdfast can work on it."""
    if not examine(to_terminal):
        raise typer.Exit(1)


def examine(say: Callable[[str], None]) -> bool:
    """Say what is there; False when something holdfast needs is not."""
    say(f"python        {sys.version.split()[0]} on {platform.platform()}")
    missing = False
    for name in PACKAGES:
        try:
            say(f"{name:<13} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            say(f"{name:<13} is not installed, and is needed: install holdfast again")
            missing = True
    if missing:
        return False
    say(f"cores         {machine.cores()}")
    say(f"memory        {machine.free() / 2**30:.1f} GiB that workers may take now")
    free = shutil.disk_usage(".").free / 2**30
    say(f"disk          {free:.0f} GiB free here")
    _accelerator(say)
    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    asked = "offline (HF_HUB_OFFLINE=1): local folders only" if offline else "asked for what is not on this machine"
    say(f"hub           {asked}")
    say(f"chromium      {shutil.which('chromium') or 'none: the browser test is skipped; nothing else needs it'}")
    return _plugins(say) and _trial(say)


def _accelerator(say: Callable[[str], None]) -> None:
    import torch

    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(i)
            bf16 = "bfloat16" if torch.cuda.is_bf16_supported() else "no bfloat16"
            say(f"gpu {i}         {properties.name}, {properties.total_memory / 2**30:.0f} GiB, {bf16}")
    else:
        say("gpu           none: work is done on the CPU, in float32")


def _plugins(say: Callable[[str], None]) -> bool:
    sound = True
    for group in registry.GROUPS:
        for name in registry.names(group):
            try:
                registry.get(group, name)
            except Exception as error:  # a stranger's package may fail in any way; name it and go on
                say(f"{group:<13} {name} cannot be loaded: {error}")
                sound = False
        say(f"{group:<13} {', '.join(registry.names(group))}")
    return sound


def _trial(say: Callable[[str], None]) -> bool:
    """One answer of the embedded model: that loading, attention and generation work here."""
    from holdfast.config.study import ModelSpec
    from holdfast.models.backend import InProcess
    from holdfast.models.network import load
    from holdfast.types import Request, Sampling, Subject, Turn

    network = load(ModelSpec(name="miniature", path="package:holdfast.miniature/model"))
    subject = Subject(id=network.digest, model="miniature")
    request = Request("trial", subject, (Turn("user", "Is the sky blue?"),), sampling=Sampling(max_new_tokens=8))
    response = next(iter(InProcess(network).generate([request])))
    say(f"trial         the miniature model answers in {response.n_tokens} tokens on {network.device}")
    return response.n_tokens > 0
