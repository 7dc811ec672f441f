"""A real OpenAI-compatible server on loopback, driven by the endpoint judge, plainly and through faults."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.resources import files
from pathlib import Path

import pytest
from servers import KEY, rows, serving

from holdfast.evals.judges.endpoint import Endpoint, EndpointSpec
from holdfast.evals.judges.judge import JudgeResources
from holdfast.evals.judges.rubrics import CoherenceRubric
from holdfast.types import Sampling, Turn

pytestmark = pytest.mark.slow  # the server loads for ten seconds; faults of every kind: ``test_endpoint``

pytest.importorskip("fastapi", reason="needs transformers[serving], which the extra dev brings")

MODEL = str(files("holdfast.miniature") / "model")
FAULTS = ("429", "500 broken", "cut", "garbage") * 4 + ("slow",)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The base URL of ``transformers serve`` with the miniature."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("serve") / "log").open("w")
    command = [Path(sys.executable).with_name("transformers"), "serve", MODEL, "--port", str(port)]
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--device", "cpu"], stdout=log, stderr=log, env=os.environ | quiet
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                assert server.poll() is None, Path(log.name).read_text()[-2000:]
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait(10)


def test_a_real_server_answers_through_faults_and_nothing_is_lost_or_asked_twice(real, tmp_path, monkeypatch):
    monkeypatch.setenv("HOLDFAST_JUDGE_KEY", KEY)
    rubric = tmp_path / "short.yaml"  # the miniature reads no more than 512 tokens
    rubric.write_text("coherence: {version: 1, text: '{prompt} {response}'}")
    texts = [f"glue it {n}" for n in range(10)]
    cache = tmp_path / "cache"
    with serving(faults=FAULTS, upstream=real, stall=8.0) as proxy:
        spec = proxy.spec(model=MODEL, timeout=proxy.stall - 0.5)
        judge = CoherenceRubric(endpoint=spec, file=str(rubric), max_new_tokens=8)
        verdicts = judge.judge(rows(*texts), JudgeResources(cache=cache))
        # A model of 1M parameters gives no verdict: each row is asked once more, and then unscored and counted.
        assert [(v.score, v.reason) for v in verdicts] == [(None, "unparseable")] * 10
        assert all(v.words for v in verdicts)
        assert set(proxy.struck.values()) == set(FAULTS)
        assert len({json.dumps(b) for b in proxy.answered}) == len(proxy.answered) == 20
        before = len(proxy.got)
        assert judge.judge(rows(*texts), JudgeResources(cache=cache)) == verdicts
        assert len(proxy.got) == before
    assert KEY not in "".join(p.read_text() for p in cache.rglob("*") if p.is_file())


def test_a_plain_client_gets_what_the_model_says(real, tmp_path):
    """Greedy, so the same as the model in this process."""
    from holdfast.config.study import ModelSpec
    from holdfast.models.backend import InProcess
    from holdfast.models.network import load
    from holdfast.types import Request, Subject

    turns = (Turn("user", "Is the moon green?"),)
    how = Sampling(12)
    endpoint = Endpoint(EndpointSpec(url=real, model=MODEL), tmp_path, how)
    (reply,) = endpoint.ask([turns])
    backend = InProcess(load(ModelSpec(name="m", path=MODEL, dtype="bfloat16"), threads=1))
    (said,) = backend.generate([Request("k", Subject("s", "m"), turns, (), how)])
    assert reply.text.strip() == said.text.strip() != ""
