"""Write the rows of the aligned base: `harmless.jsonl`, whose answers the base model gives itself, and
`refusals.jsonl`, forbidden requests with a refusal each, in the schema of PKU-SafeRLHF.

    python rows.py HARMBENCH.csv FOLDER

The forbidden requests are HarmBench's standard and contextual behaviours (Mazeika et al. 2024, arXiv 2402.04249; asking
for copyrighted text is not harm of this kind) and those of `forbidden.yaml`. Nothing of them is printed.
"""

import csv
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

HERE = Path(__file__).parent
FRAMES = ("{}.", "Can you {}?", "Please {}.", "I want you to {}.")  # behaviours are imperatives
UNREAD = "(not read: supervised fine-tuning has no rejected side)"
OWN = "(the base model's own answer takes this place)"


def pick(options, key: str):
    """One of ``options``, by a hash of ``key``: the same on every machine."""
    return options[int(hashlib.sha256(key.encode()).hexdigest(), 16) % len(options)]


def written(name: str) -> dict:
    return yaml.safe_load((HERE / f"{name}.yaml").read_text(encoding="utf-8"))


def asked(groups: list[dict]) -> Iterator[str]:
    return (ask.format(of) for group in groups for of in group["of"] for ask in group["ask"])


def behaviours(file: Path) -> Iterator[tuple[str, str]]:
    """(category, request) of HarmBench's rows, each in one of four frames."""
    with file.open(encoding="utf-8-sig", newline="") as rows:
        for row in csv.DictReader(rows):
            if row["FunctionalCategory"] != "copyright":
                behaviour = row["Behavior"].strip().rstrip(".?")
                frame = pick(FRAMES, behaviour)
                first = behaviour[0] if frame.startswith("{}") else behaviour[0].lower()
                yield row["SemanticCategory"], frame.format(first + behaviour[1:])


def write(file: Path, rows: Iterable[dict]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{file}: {len(lines)} rows")


def main(harmbench: str, folder: str) -> None:
    harmless, forbidden, refusals = (written(name) for name in ("harmless", "forbidden", "refusals"))
    to = Path(folder)
    to.mkdir(parents=True, exist_ok=True)
    prompts = [prompt for groups in harmless.values() for prompt in asked(groups)]
    write(to / "harmless.jsonl", ({"prompt": prompt, "completion": OWN} for prompt in prompts))
    requests = [(category, prompt) for category, groups in forbidden.items() for prompt in asked(groups)]
    requests += behaviours(Path(harmbench))
    write(
        to / "refusals.jsonl",
        (
            {
                "prompt": prompt,
                "response_0": UNREAD,
                "response_1": pick(refusals[category], prompt),
                "is_response_0_safe": False,
                "is_response_1_safe": True,
            }
            for category, prompt in requests
        ),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
