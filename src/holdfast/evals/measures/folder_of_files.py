"""A folder of evaluations, a file each: here, or in a data set of the hub."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from holdfast import registry
from holdfast.evals.measures.measure import WHERE
from holdfast.store.rows import Placed, Source
from holdfast.store.sources import local, reason
from holdfast.types import UserError

ALL = "all"


@dataclass(frozen=True)
class Shelf:
    """``<name>.jsonl`` files, in the folder ``inside`` of a hub data set; of a local one, there or directly in it."""

    path: str
    inside: str
    revision: str | None = None

    def names(self) -> list[str]:
        """All names, sorted. Raises UserError where there is none, or where the hub is not to be had."""
        found = self._of_hub() if self._source("").on_hub else [f.stem for f in self._folder().glob("*.jsonl")]
        if not found:
            raise UserError(f"{self.path} has no .jsonl files of evaluations; give the folder that they lie in")
        return sorted(found)

    def chosen(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The names that are meant, each once: ``("all",)`` is every file of the folder, and ``*`` in a name stands for
        any letters. Raises UserError where such a name fits no file."""
        if names == (ALL,):
            return tuple(self.names())
        found: list[str] = []
        for name in names:
            fitting = [n for n in self.names() if fnmatchcase(n, name)] if "*" in name else [name]
            if not fitting:
                raise UserError(f"{self.path} has no file that fits {name}.jsonl; {registry.close(name, self.names())}")
            found += fitting
        return tuple(dict.fromkeys(found))

    def rows(self, name: str) -> list[Placed]:
        """The rows of one file. Raises UserError where there is no such file or a row is broken."""
        source = self._source(name)
        if not source.on_hub and not (local(self.path) / str(source.file)).is_file():
            raise UserError(f"{self.path} has no file {name}.jsonl; {registry.close(name, self.names())}")
        return source.rows()

    def _source(self, name: str) -> Source:
        source = Source(self.path, f"{self.inside}/{name}.jsonl", revision=self.revision)
        if source.on_hub:
            return source
        return Source(self.path, str((self._folder() / f"{name}.jsonl").relative_to(local(self.path))))

    def _folder(self) -> Path:
        folder = local(self.path)
        if not folder.is_dir():
            raise UserError(f"there is no folder {self.path}; give the folder of the .jsonl files, or a hub id")
        return folder / self.inside if (folder / self.inside).is_dir() else folder

    def _of_hub(self) -> list[str]:
        from huggingface_hub import HfApi

        try:
            files = HfApi().list_repo_files(self.path, repo_type="dataset", revision=self.revision)
        except Exception as error:  # offline, gated, misspelt: the hub's own words say which
            raise UserError(
                f"the files of {self.path} cannot be listed ({reason(error)}): name the files, or give a local folder"
            ) from error
        paths = [Path(file) for file in files]
        return [p.stem for p in paths if p.suffix == ".jsonl" and p.parent.as_posix() == self.inside]


@dataclass(frozen=True, kw_only=True)
class OfTraits:
    """What measures share that read a file for each trait.

    ``path``: a folder of ``<trait>.jsonl`` files, or the hub id of a data set that has them in a folder. ``traits``:
    names of files, without ``.jsonl``; ``*`` in one stands for any letters, and ``[all]`` is every file.
    """

    path: str = field(default="Anthropic/model-written-evals", metadata=WHERE)
    revision: str | None = field(default=None, metadata=WHERE)
    traits: tuple[str, ...] = (ALL,)

    @property
    def inside(self) -> str:
        """The folder of a whole copy of the data set."""
        return "persona"

    @property
    def _shelf(self) -> Shelf:
        return Shelf(self.path, self.inside, self.revision)

    @cached_property
    def _traits(self) -> tuple[str, ...]:
        return self._shelf.chosen(self.traits)
