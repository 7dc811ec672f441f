"""Records and judgements as their files hold them, read a subject at a time and kept as numbers.

A record's id joins it to its judgements and is then let go; of its text at most a hash is kept; and what else is text
(items, attacks, labels, reasons) is a number for each row and stands once, in a ``Texts``. So memory goes by what is
scored, and not by what was written: some 70 bytes a record and judge.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from holdfast.analysis.scope import once
from holdfast.store import tables
from holdfast.store.folder import plain as plain_name
from holdfast.types import UserError

Array = np.ndarray
UNSCORED, SILENT = "unscored", "not judged"
_ASKED = ["id", "subject", "item", "attack", "format", "sample"]
_SAID = ["record", "judge", "score", "label", "reason", "details"]


class Texts:
    """The distinct texts of a column, by number; -1 is none."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._known.setdefault(text, len(self._known))

    def numbers(self, column: pa.ChunkedArray | pa.Array) -> Array:
        """A number for each row, of as few bytes as will do."""
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        found = column.dictionary_encode()
        own = np.array([*map(self.number, found.dictionary.to_pylist()), -1], np.int32)
        return self.small(own[found.indices.fill_null(len(own) - 1).to_numpy(zero_copy_only=False)])

    def small(self, numbers: Array) -> Array:
        return numbers.astype(np.int16 if len(self._known) < 2**15 else np.int32)

    def column(self, numbers: Array) -> pd.Categorical:
        """The texts, in the order of the alphabet."""
        texts = sorted(self._known)
        place = {text: k for k, text in enumerate(texts)}
        places = np.array([*(place[text] for text in self._known), -1], np.int32)
        return pd.Categorical.from_codes(places[numbers], categories=pd.Index(texts, dtype=object))

    def __iter__(self) -> Iterator[str]:
        """In the order of their numbers."""
        return iter(self._known)


@dataclass
class Answers:
    """What the subjects of an eval config said that is planned: a row a record, but for ``ids``, which are kept where
    they are asked for. Items are numbers of the planned ones."""

    subject: list[Array] = field(default_factory=list)
    item: list[Array] = field(default_factory=list)
    attack: list[Array] = field(default_factory=list)
    format: list[Array] = field(default_factory=list)
    sample: list[Array] = field(default_factory=list)
    answer: list[Array] = field(default_factory=list)
    ids: list[pa.ChunkedArray] = field(default_factory=list)
    said: dict[str, dict[int, Said]] = field(default_factory=dict)  # by judge, and by the place of the subject

    def spoken(self, judge: str, name: str, silent: float) -> Array:
        """Score, verdict, … of every record by one judge; ``silent`` where it said nothing of a subject."""
        mine = self.said.get(judge, {})
        kind = np.float64 if name == "score" else np.int32
        parts = [
            getattr(mine[k], name) if k in mine else np.full(len(x), silent, kind) for k, x in enumerate(self.item)
        ]
        return np.concatenate(parts) if parts else np.array([], kind)


@dataclass(frozen=True)
class Said:
    """By one judge of one subject's records; verdict, reason and details are numbers of ``Texts``."""

    score: Array
    verdict: Array
    reason: Array
    details: Array


def answered(
    shards: Sequence[Path], items: pa.Array, samples: int | None, formats: Collection[str] | None, hashed: bool
) -> pa.Table:
    """The planned records of one subject, each once; ``item`` is the number of the item, ``answer`` (where that is
    wanted, else 0) a hash of what it said.

    ``items``: ids of those that are planned; ``samples`` and ``formats`` likewise, or None for all.
    """
    columns = _ASKED + ["response", "logps"] * hashed
    parts = [tables.arrow(shard, "records", columns) for shard in shards] or [tables.empty("records", columns)]
    table = pa.concat_tables(parts)
    hashes = _hashed(table) if hashed else np.zeros(len(table), np.uint64)
    table = table.select(_ASKED).append_column("answer", pa.array(hashes))
    table = _each_once(table, ("id",), shards[0].parent if shards else "")
    place = pc.index_in(table["item"], value_set=items)
    keep = pc.is_valid(place)
    if samples is not None:
        keep = pc.and_(keep, pc.less(table["sample"], samples))
    if formats is not None:
        keep = pc.and_(keep, pc.is_in(table["format"], value_set=pa.array(list(formats), table["format"].type)))
    table = table.set_column(table.column_names.index("item"), "item", place)
    return table if pc.all(keep, min_count=0).as_py() else table.filter(keep)


def judged(
    shards: Sequence[Path],
    ids: pa.ChunkedArray,
    judges: Collection[str],
    own: Collection[str],
    texts: Mapping[str, Texts],
) -> dict[str, Said]:
    """What judges said of one subject's records, of those in these files that are among ``judges``. ``own``: judges who
    count in a unit of their own. Raises UserError for a score of another that lies outside 0 to 1."""
    by = defaultdict[str, list[pa.Table]](list)
    for shard in shards:
        table = tables.arrow(shard, "judgements", _SAID)
        names = pc.unique(table["judge"]).to_pylist()
        for judge in names:
            if judge in judges:
                by[judge].append(table if len(names) == 1 else table.filter(pc.equal(table["judge"], judge)))
    found = {}
    for judge, parts in by.items():
        its = pa.concat_tables(parts)
        alike = its["record"].equals(ids)  # as a rule: the same rows in the same order
        its = its if alike else _each_once(its, ("record", "judge"), shards[0].parent)
        score = its["score"].to_numpy()
        beyond = [] if judge in own else score[(score < 0) | (score > 1)]
        if len(beyond):
            raise UserError(
                f"{shards[0].parent} holds the score {beyond[0]:g}, which lies outside 0 to 1: one of its files is not "
                "what holdfast wrote; delete it to have its rows judged again"
            )
        columns = {"score": score} | {
            name: texts[name].numbers(its[column])
            for name, column in (("verdict", "label"), ("reason", "reason"), ("details", "details"))
        }
        if not alike:
            where = pc.index_in(ids, value_set=its["record"].combine_chunks())
            there = pc.is_valid(where).to_numpy(zero_copy_only=False)
            at = where.fill_null(0).to_numpy()
            silent = {"score": np.nan, "verdict": texts["verdict"].number(UNSCORED)}
            silent |= {"reason": texts["reason"].number(SILENT), "details": -1}
            columns = {
                name: np.where(there, values[at], silent[name]).astype(values.dtype)
                if len(values)
                else np.full(len(ids), silent[name], values.dtype)
                for name, values in columns.items()
            }
        found[judge] = Said(**columns)
    return found


def _each_once(table: pa.Table, key: tuple[str, ...], where: object) -> pa.Table:
    """Files may hold a row twice, though hardly any do. ``key``: of one value each but for the first."""
    if pc.count_distinct(table[key[0]]).as_py() == len(table):
        return table
    return table.take(pa.array(once(table.to_pandas(), key, where).index))


def _hashed(table: pa.Table) -> Array:
    """Of each response, or of the log-probs of what was only scored: what is generated has none."""
    scored = pc.greater(pc.list_value_length(table["logps"]), 0).to_numpy(zero_copy_only=False)
    shown = table["response"].to_pandas().astype(object) + "\0"
    shown[scored] += table["logps"].to_pandas()[scored].map(lambda x: np.asarray(x).tobytes().hex())
    return pd.util.hash_array(shown.to_numpy(dtype=object), categorize=False) if len(shown) else np.array([], np.uint64)


# -- columns of all of them -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """The rows of an eval config by column: numbers of ``Texts``, and values as they are."""

    coded: dict[str, Array]
    plain: dict[str, Array]


@dataclass
class Reading:
    """What is known while files are read. ``base``: ids of base models; ``hashed``: names of the folders of those whose
    answers are compared, None for all; ``numbered``: records are called by a number."""

    base: frozenset[str]
    hashed: frozenset[str] | None
    numbered: bool
    texts: defaultdict[str, Texts] = field(default_factory=lambda: defaultdict(Texts))
    records: int = 0

    def take(self, answers: Answers, table: pa.Table) -> None:
        """One subject's records (of ``answered``) go to those of the others."""
        for name in ("subject", "attack", "format"):
            getattr(answers, name).append(self.texts[name].numbers(table[name]))
        answers.item.append(table["item"].to_numpy().astype(np.int32))
        answers.sample.append(table["sample"].to_numpy().astype(np.int32 if self.numbered else np.int64))
        answers.answer.append(table["answer"].to_numpy())
        if not self.numbered:
            answers.ids.append(table["id"])

    def part(self, answers: Answers, items: pd.DataFrame, same: Mapping[str, str], coherence: str) -> Part:
        """Each record under every judge that spoke, one after the other; the judge ``coherence`` is a column.
        ``items``: the planned ones; ``same``: texts that are the same throughout."""
        silent = {"verdict": self.texts["verdict"].number(UNSCORED), "reason": self.texts["reason"].number(SILENT)}
        judges = sorted(answers.said.keys() - {coherence}, key=plain_name) or [""]
        item = np.concatenate(answers.item) if answers.item else np.array([], np.int32)
        n, times = len(item), len(judges)

        def each(parts: list[Array], kind: type) -> Array:
            whole = np.concatenate(parts) if parts else np.array([], kind)
            parts.clear()
            return whole.repeat(times) if times > 1 else whole

        def spoken(name: str, nothing: float) -> Array:
            return np.stack([answers.spoken(judge, name, nothing) for judge in judges], axis=1).ravel()

        coded = {name: each(getattr(answers, name), np.int16) for name in ("subject", "attack", "format")}
        coded["item"] = self.texts["item"].numbers(pa.array(items["id"], pa.string()))[item].repeat(times)
        coded |= {k: np.full(n * times, self.texts[k].number(v), np.int16) for k, v in same.items()}
        coded["judge"] = np.tile(np.array([self.texts["judge"].number(j) for j in judges], np.int16), n)
        coded |= {name: self.texts[name].small(spoken(name, nothing)) for name, nothing in silent.items()}
        score = answers.spoken(coherence, "score", np.nan)
        values: dict[str, Array] = {
            "record": self._named(answers, n).repeat(times),
            "sample": each(answers.sample, np.int32 if self.numbered else np.int64),
            "answer": each(answers.answer, np.uint64),
            "forbidden": items["forbidden"].to_numpy(bool)[item].repeat(times),
            "score": spoken("score", np.nan),
            "coherent": np.where(np.isnan(score), np.nan, score >= 0.5).repeat(times),
        }
        self._parsed("f_", list(items["fields"]), item.repeat(times), coded, values)
        self._parsed("d_", list(self.texts.pop("details", ())), spoken("details", -1), coded, values)
        return Part(coded, values)

    def _named(self, answers: Answers, n: int) -> Array:
        self.records += n
        if self.numbered:
            return np.arange(self.records - n, self.records, dtype=np.int32)
        ids = [i.to_pandas().to_numpy(object) for i in answers.ids]
        return np.concatenate(ids) if ids else np.array([], object)

    def _parsed(
        self, prefix: str, texts: list[str], numbers: Array, coded: dict[str, Array], values: dict[str, Array]
    ) -> None:
        """JSON objects as columns; each is parsed once, for they repeat."""
        used, numbers = np.unique(numbers, return_inverse=True)
        parsed = pd.DataFrame([json.loads(texts[k]) if k >= 0 else {} for k in used])
        for name, column in parsed.add_prefix(prefix).items():
            some = column.to_numpy(object) if column.dtype in (object, "str") else column.to_numpy()
            if some.dtype == object and all(isinstance(v, str) for v in column.dropna()):
                own = [-1 if pd.isna(v) else self.texts[str(name)].number(v) for v in some]
                coded[str(name)] = self.texts[str(name)].small(np.array(own, np.int32)[numbers])
            else:
                values[str(name)] = some[numbers]

    def stacked(self, parts: list[Part]) -> pd.DataFrame:
        """One under another, texts as categories in the order of the alphabet. A column at a time is taken out of the
        parts: no two copies of all of them are held."""
        columns: dict[str, pd.Series | pd.Categorical] = {}
        sizes = [len(part.plain["record"]) for part in parts]
        for name in list(dict.fromkeys(c for part in parts for c in (*part.coded, *part.plain))):
            if not any(name in part.plain for part in parts):
                none = [np.full(n, -1, np.int16) for n in sizes]
                found = [part.coded.pop(name, gone) for part, gone in zip(parts, none, strict=True)]
                columns[name] = self.texts[name].column(np.concatenate(found))
            else:
                each = [self._values(name, part, n) for part, n in zip(parts, sizes, strict=True)]
                columns[name] = pd.concat(each, ignore_index=True)
        return pd.DataFrame(columns, copy=False)

    def _values(self, name: str, part: Part, n: int) -> pd.Series:
        if name in part.coded:
            return pd.Series(self.texts[name].column(part.coded.pop(name))).astype(object)
        return pd.Series(part.plain.pop(name, np.full(n, np.nan)), copy=False)
