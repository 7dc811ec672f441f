"""A real Slurm of one machine, as the current user and in a folder of its own, for as long as a block lasts.

    with one_machine(folder) as environment: ...      # for whoever calls sbatch, squeue and the like

Runs munged, slurmctld and slurmd of Debian's packages (slurm-wlm, munge). No accounting, no control groups.
"""

from __future__ import annotations

import ctypes
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
CONFIG = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=15
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
PluginDir={plugins}
PlugStackConfig={folder}/plugstack.conf
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
ReturnToService=2
KillWait=5
MinJobAge=10
UnkillableStepTimeout=60
JobRequeue=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=60 State=UP
"""


def missing() -> list[str]:
    """Which of Slurm's programs are not on this machine."""
    return [name for name in NEEDED if shutil.which(name, path=PATH) is None]


@contextmanager
def one_machine(folder: Path, cpus: int = 2, memory: int = 6000) -> Iterator[dict[str, str]]:
    """Yields the environment in which Slurm's commands speak to it. ``cpus`` and ``memory`` (MB): what it believes to
    have. At the end nothing of it runs, what it started among it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir(mode=0o755)
    (folder / "plugstack.conf").write_text("")
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    config = folder / "slurm.conf"
    host = socket.gethostname().split(".")[0]
    plugins = next(p for p in Path("/usr/lib").glob("*/slurm-wlm"))
    values = {"folder": folder, "host": host, "user": getpass.getuser(), "plugins": plugins, "ports": _free_ports(2)}
    config.write_text(CONFIG.format(**values, cpus=cpus, memory=memory))
    environment = {**os.environ, "SLURM_CONF": str(config), "PATH": PATH}
    munge = [f"--{k}={folder}/munge.{v}" for k, v in {"socket": "socket", "key-file": "key", "pid-file": "pid"}.items()]
    munge += [f"--{name}-file={folder}/munge.{name}" for name in ("log", "seed")]
    with ExitStack() as running:
        running.enter_context(_daemon(["munged", "--foreground", "--force", *munge], folder, environment))
        _until((folder / "munge.socket").exists, "munged", folder)
        running.enter_context(_daemon(["slurmctld", "-D", "-c", "-f", str(config)], folder, environment))
        running.enter_context(_daemon(["slurmd", "-D", "-c", "-f", str(config), "-N", host], folder, environment))
        running.callback(_cancel_all, environment)
        _until(lambda: "idle" in _said(["sinfo", "-h", "-o", "%T"], environment), "slurmd", folder)
        yield environment


@contextmanager
def _daemon(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("w") as out:
        process = subprocess.Popen(
            command, env=environment, stdout=out, stderr=out, start_new_session=True, preexec_fn=_end_with_parent
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG of Linux


def _cancel_all(environment: dict[str, str]) -> None:
    subprocess.run(["scancel", "-u", getpass.getuser()], env=environment, timeout=30, check=False)
    until = time.monotonic() + 30
    while _said(["squeue", "-h"], environment).strip() and time.monotonic() < until:
        time.sleep(0.5)


def _said(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30).stdout


def _until(true: object, what: str, folder: Path, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        if time.monotonic() > until:
            logs = "\n".join(
                f"{p.name}: {p.read_text()[-2000:]}" for p in [*folder.glob("*.log"), *folder.glob("*.out")]
            )
            raise RuntimeError(f"{what} does not begin:\n{logs}")
        time.sleep(0.2)


def _free_ports(n: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


if __name__ == "__main__":  # a shell in it, or a command
    with one_machine(Path(sys.argv[1]).resolve()) as slurm:
        subprocess.run(sys.argv[2:] or ["bash"], env=slurm)
