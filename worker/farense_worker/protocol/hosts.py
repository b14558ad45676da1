"""hosts.json: the machines of a run, one entry a rank, as `mlx.launch --hostfile` reads it.

    [{"ssh": "127.0.0.1", "ips": ["10.0.0.1"]}, {"ssh": "mac2.local", "ips": ["10.0.0.2"]}]

or an object with "hosts" (this list), "backend" and "envs" (["NAME=VALUE"], set on every rank).
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import psutil

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import either, ngettext
from farense_worker.protocol.language import gettext as _

Backend = Literal["ring", "jaccl", "jaccl-ring", "nccl", "mpi"]
BACKENDS: tuple[str, ...] = get_args(Backend)
LOCAL = "127.0.0.1"  # mlx.launch goes through ssh for every other name
_EXAMPLE = '[{"ssh": "127.0.0.1", "ips": ["10.0.0.1"]}, {"ssh": "mac2.local", "ips": ["10.0.0.2"]}]'


@dataclass(frozen=True)
class Host:
    """Where a rank runs.

    ssh: the name it is started by. ips: addresses at which the other ranks reach it. rdma: for
    jaccl, as mlx.distributed_config writes it.
    """

    ssh: str
    ips: tuple[str, ...] = ()
    rdma: tuple[Any, ...] = ()

    @property
    def local(self) -> bool:
        """Whether it is this machine, without ssh."""
        return self.ssh == LOCAL


@dataclass(frozen=True)
class Hosts:
    """All machines of a run, in the order of the ranks. backend is empty where none is named."""

    hosts: tuple[Host, ...]
    backend: str = ""
    envs: tuple[str, ...] = ()

    def dumps(self) -> str:
        """Write it as mlx.launch reads it."""
        hosts = [{"ssh": h.ssh, "ips": h.ips, "rdma": h.rdma} for h in self.hosts]
        return json.dumps({"backend": self.backend, "envs": self.envs, "hosts": hosts})


def here(ranks: int) -> Hosts:
    """Give so many ranks on this machine."""
    return Hosts((Host(LOCAL, (LOCAL,)),) * ranks)


def load(path: Path, backend: str = "") -> Hosts:
    """Read and check hosts.json; the first machine must be this one.

    backend: overrules the one that the file names. Raises FarenseError (refused) with every fault.
    """
    try:
        text = plain_file.text(path)
    except OSError as error:
        raise _refused(path, [error.strerror or _("cannot be read")]) from error
    except UnicodeDecodeError as error:
        raise _refused(path, [_("not UTF-8 at byte {byte}").format(byte=error.start)]) from error
    return parse(text, path, own_addresses(), backend)


def own_addresses() -> set[str]:
    """List the IP addresses of this machine."""
    families = (socket.AF_INET, socket.AF_INET6)
    return {
        address.address.partition("%")[0]
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in families
    }


def parse(text: str, source: Path, own: set[str], backend: str = "") -> Hosts:
    """Read hosts.json. own: addresses of this machine. Otherwise as `load`."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise _refused(
            source, [_("line {line}: not JSON: {why}").format(line=error.lineno, why=error.msg)]
        ) from error
    table = found if isinstance(found, dict) else {"hosts": found}
    faults = [
        _('unknown key "{key}"').format(key=key)
        for key in table.keys() - {"hosts", "backend", "envs"}
    ]
    backend = backend or table.get("backend") or "ring"
    if backend not in BACKENDS:
        what = _('"backend" must be {backends}, not {value}')
        faults.append(what.format(backends=either(BACKENDS), value=json.dumps(backend)))
    envs = table.get("envs", [])
    if not (isinstance(envs, list) and all(isinstance(e, str) and _ENV.match(e) for e in envs)):
        faults.append(_('"envs" must be a list of "NAME=VALUE"'))
    entries = table.get("hosts")
    if not isinstance(entries, list) or not entries:
        raise _refused(source, [*faults, _("it must be a list of at least one machine")])
    for number, entry in enumerate(entries, 1):
        faults += [_in_entry(number, fault) for fault in _faults(entry, backend)]
    if faults:
        raise _refused(source, faults)
    hosts = tuple(
        Host(entry["ssh"], tuple(entry.get("ips", ())), tuple(entry.get("rdma", ())))
        for entry in entries
    )
    return Hosts(_from_here(hosts, source, own), backend, tuple(envs))


_ENV = re.compile(r"\w+=", re.ASCII)


def _in_entry(number: int, fault: str) -> str:
    return _("entry {number}: {fault}").format(number=number, fault=fault)


def _faults(entry: Any, backend: str) -> list[str]:
    if not isinstance(entry, dict):
        return [_('must be an object with "ssh" and "ips"')]
    found = [
        _('unknown key "{key}"').format(key=key) for key in entry.keys() - {"ssh", "ips", "rdma"}
    ]
    if not isinstance(entry.get("ssh"), str) or not entry["ssh"]:
        found.append(_('"ssh" must be the name that ssh knows it by'))
    ips = entry.get("ips", [])
    if not isinstance(ips, list):
        return [*found, _('"ips" must be a list of IP addresses')]
    found += [
        _('"ips": {value} is not an IP address').format(value=json.dumps(ip))
        for ip in ips
        if not _is_ip(ip)
    ]
    if not ips and backend != "mpi":
        found.append(
            _('"ips" must name an IP address: {backend} connects by it').format(backend=backend)
        )
    if not isinstance(entry.get("rdma", []), list):
        found.append(_('"rdma" must be a list'))
    return found


def _is_ip(text: Any) -> bool:
    try:
        ipaddress.ip_address(text if isinstance(text, str) else "")
    except ValueError:
        return False
    return True


def _from_here(hosts: tuple[Host, ...], source: Path, own: set[str]) -> tuple[Host, ...]:
    """Start the first rank without ssh: it writes the run folder, which is on this machine."""
    first = hosts[0]
    elsewhere = first.ips and not own & set(first.ips)
    if elsewhere or (not first.ips and not first.local and first.ssh != socket.gethostname()):
        what = _("{machine} is not this machine").format(machine=" ".join((first.ssh, *first.ips)))
        hint = _(
            "The first entry is the machine that the run is started on: it keeps the run folder. "
            "This one has {addresses}."
        )
        raise _refused(source, [_in_entry(1, what)], hint.format(addresses=", ".join(sorted(own))))
    others = any(not host.local for host in hosts[1:])
    if others and any(ipaddress.ip_address(ip).is_loopback for ip in first.ips):
        what = _("other machines cannot reach {address}").format(address=first.ips[0])
        hint = _("Name an address of this machine that they reach: {addresses}.")
        raise _refused(source, [_in_entry(1, what)], hint.format(addresses=", ".join(sorted(own))))
    return (Host(LOCAL, first.ips, first.rdma), *hosts[1:])


def _refused(source: Path, faults: list[str], hint: str = "") -> FarenseError:
    title = ngettext(
        "the list of machines has {n} fault", "the list of machines has {n} faults", len(faults)
    ).format(n=len(faults))
    lines = "\n".join(f"{source}: {fault}" for fault in faults)
    hint = hint or _("One entry a machine, this one first: {example}").format(example=_EXAMPLE)
    return refused(title, lines, hint, kind="hosts")
