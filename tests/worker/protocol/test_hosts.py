"""hosts.json: what mlx.distributed_config writes is read, and every fault is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.hosts import LOCAL, Host, here, parse

from farense_tui.cli import main
from farense_tui.engine.runs.rank_options import group

OWN = {"127.0.0.1", "10.0.0.1"}
FILE = Path("hosts.json")
PAIR = [{"ssh": "mac1.local", "ips": ["10.0.0.1"]}, {"ssh": "mac2.local", "ips": ["10.0.0.2"]}]


def test_a_list_of_machines() -> None:
    found = parse(json.dumps(PAIR), FILE, OWN)
    assert found.backend == "ring"
    # the first one is this machine: started without ssh
    assert found.hosts == (Host(LOCAL, ("10.0.0.1",)), Host("mac2.local", ("10.0.0.2",)))


def test_what_mlx_distributed_config_writes_for_jaccl() -> None:
    hosts = [
        {"ssh": "mac1", "ips": ["10.0.0.1"], "rdma": [None, "rdma_en2"]},
        {"ssh": "mac2", "ips": [], "rdma": ["rdma_en2", None]},
    ]
    hosts[1]["ips"] = ["10.0.0.2"]
    table = {"backend": "jaccl", "envs": ["MLX_METAL_FAST_SYNCH=1"], "hosts": hosts}
    found = parse(json.dumps(table), FILE, OWN)
    assert found.backend == "jaccl"
    assert found.envs == ("MLX_METAL_FAST_SYNCH=1",)
    assert found.hosts[0].rdma == (None, "rdma_en2")
    assert json.loads(found.dumps())["hosts"][1] == hosts[1]
    assert parse(json.dumps(table), FILE, OWN, "ring").backend == "ring"


def test_mlx_launch_reads_what_is_written(tmp_path: Path) -> None:
    from mlx._distributed_utils.common import Hostfile

    file = tmp_path / "hosts.json"
    file.write_text(parse(json.dumps(PAIR), FILE, OWN).dumps())
    found = Hostfile.from_file(file)
    assert [host.ssh_hostname for host in found.hosts] == [LOCAL, "mac2.local"]
    assert [host.ips for host in found.hosts] == [["10.0.0.1"], ["10.0.0.2"]]
    assert len(here(3).hosts) == 3


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[{]", "hosts.json: line 1: not JSON: Expecting property name"),
        ("[]", "hosts.json: it must be a list of at least one machine"),
        ('{"machines": []}', 'hosts.json: unknown key "machines"'),
        (json.dumps([PAIR[0], "mac2"]), 'entry 2: must be an object with "ssh" and "ips"'),
        (json.dumps([PAIR[0], {"ips": ["10.0.0.2"]}]), 'entry 2: "ssh" must be the name'),
        (json.dumps([PAIR[0], {"ssh": "mac2"}]), 'entry 2: "ips" must name an IP address'),
        (
            json.dumps([PAIR[0], {"ssh": "mac2", "ips": ["mac2.local"]}]),
            'entry 2: "ips": "mac2.local" is not an IP address',
        ),
        (json.dumps([PAIR[0], {**PAIR[1], "port": 1}]), 'entry 2: unknown key "port"'),
        (json.dumps({"hosts": PAIR, "backend": "tcp"}), '"backend" must be ring, jaccl'),
        (json.dumps({"hosts": PAIR, "envs": "X"}), '"envs" must be a list of "NAME=VALUE"'),
        (json.dumps(PAIR[::-1]), "entry 1: mac2.local 10.0.0.2 is not this machine"),
        (
            json.dumps([{"ssh": "localhost", "ips": ["127.0.0.1"]}, PAIR[1]]),
            "entry 1: other machines cannot reach 127.0.0.1",
        ),
    ],
)
def test_a_fault_is_named(text: str, fault: str) -> None:
    with pytest.raises(FarenseError) as caught:
        parse(text, FILE, OWN)
    assert caught.value.exit_code == 3
    assert fault in caught.value.detail
    assert caught.value.hint


def test_options_that_do_not_go_together() -> None:
    assert group() == {}
    assert group(ranks=2) == {"ranks": 2, "hosts": "", "backend": "ring"}
    for wrong in ({"backend": "ring"}, {"ranks": 0}):
        with pytest.raises(FarenseError) as caught:
            group(**wrong)
        assert caught.value.exit_code == 2


def test_the_command_refuses_before_it_makes_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.json").write_text(json.dumps([{"ssh": "mac1"}]))
    assert main(["train", "--profile", "demo", "--hosts", "hosts.json"]) == 3
    err = capfd.readouterr()[1]
    assert f'{tmp_path / "hosts.json"}: entry 1: "ips" must name an IP address' in err
    assert "One entry a machine, this one first" in err
    assert main(["train", "--profile", "demo", "--hosts", "none.json"]) == 3
    assert "No such file or directory" in capfd.readouterr()[1]
    assert main(["train", "--profile", "demo", "--backend", "ring"]) == 2
    assert not (tmp_path / "checkpoints").exists()
