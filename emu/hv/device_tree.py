"""The flattened device tree that a pseries machine hands to its program.

Source: Devicetree Specification v0.4 (format); PAPR, and QEMU's pseries machine for what programs
look for. Knows nothing of a machine beyond what Board says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import fdt

from emu.hv.userspace import VTY_UNIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION: Final = 17
LAST_COMPATIBLE_VERSION: Final = 16
TIMEBASE_HZ: Final = 512_000_000
CACHE_BLOCK: Final = 128  # bytes, of dcbz and icbi too


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What the tree describes.

    memory: bytes from address 0. cores: for each virtual core, the ids of its vcpus. processor:
    the name of the model, such as POWER9. pvr: 32 bits. dec_bits: of the decrementer. services:
    token of each RTAS service. initrd: its first address and the one past its end, if there is one.
    """

    memory: int
    cores: Sequence[Sequence[int]]
    processor: str
    pvr: int
    dec_bits: int
    services: Mapping[str, int]
    bootargs: str
    initrd: tuple[int, int] | None = None


def flatten(board: Board) -> bytes:
    """Build the tree as a blob."""
    tree = fdt.FDT()
    root = tree.root
    _strings(root, device_type="chrp", model="IBM pSeries (emulated by emu)")
    _strings(root, compatible="qemu,pseries")
    _cells(root, "#address-cells", 2)
    _cells(root, "#size-cells", 2)
    root.append(_chosen(board))
    root.append(_cpus(board))
    root.append(_memory(board))
    root.append(_rtas(board))
    root.append(_vdevice())
    hypervisor = fdt.Node("hypervisor")
    _strings(hypervisor, compatible="linux,kvm")
    root.append(hypervisor)
    boot_cpu = board.cores[0][0]
    blob: bytes = tree.to_dtb(VERSION, LAST_COMPATIBLE_VERSION, boot_cpu)
    return blob


def _strings(node: fdt.Node, **properties: str) -> None:
    for name, text in properties.items():
        # The library has no string without characters.
        value = text.encode() + b"\0"
        node.append(fdt.PropBytes(name, data=value))


def _cells(node: fdt.Node, name: str, *values: int) -> None:
    node.append(fdt.PropWords(name, *values))


def _doublewords(*values: int) -> list[int]:
    return [half for value in values for half in (value >> 32, value & 0xFFFF_FFFF)]


def _chosen(board: Board) -> fdt.Node:
    node = fdt.Node("chosen")
    _strings(node, bootargs=board.bootargs)
    node.append(fdt.PropStrings("stdout-path", f"/vdevice/vty@{VTY_UNIT:x}"))
    if board.initrd:
        start, end = board.initrd
        _cells(node, "linux,initrd-start", *_doublewords(start))
        _cells(node, "linux,initrd-end", *_doublewords(end))
    return node


def _cpus(board: Board) -> fdt.Node:
    node = fdt.Node("cpus")
    _cells(node, "#address-cells", 1)
    _cells(node, "#size-cells", 0)
    for ids in board.cores:
        cpu = fdt.Node(f"PowerPC,{board.processor}@{ids[0]:x}")
        _strings(cpu, device_type="cpu", status="okay")
        _cells(cpu, "reg", ids[0])
        _cells(cpu, "ibm,ppc-interrupt-server#s", *ids)
        _cells(cpu, "ibm,ppc-interrupt-gserver#s", *(cell for i in ids for cell in (i, 0)))
        _cells(cpu, "cpu-version", board.pvr)
        for cache in ("d-cache", "i-cache"):
            _cells(cpu, f"{cache}-line-size", CACHE_BLOCK)
            _cells(cpu, f"{cache}-block-size", CACHE_BLOCK)
        _cells(cpu, "timebase-frequency", TIMEBASE_HZ)
        _cells(cpu, "clock-frequency", TIMEBASE_HZ)
        _cells(cpu, "ibm,dec-bits", board.dec_bits)
        # Attribute bytes, all 0: no floating point, no vectors, no transactions, no MMU features.
        features = bytes([24, 0, *bytes(24)])
        cpu.append(fdt.PropBytes("ibm,pa-features", data=features))
        node.append(cpu)
    return node


def _memory(board: Board) -> fdt.Node:
    node = fdt.Node("memory@0")
    _strings(node, device_type="memory")
    _cells(node, "reg", *_doublewords(0, board.memory))
    return node


def _rtas(board: Board) -> fdt.Node:
    """Without linux,rtas-entry: programs call RTAS by the hcall H_RTAS."""
    node = fdt.Node("rtas")
    for name, token in board.services.items():
        _cells(node, name, token)
    return node


def _vdevice() -> fdt.Node:
    node = fdt.Node("vdevice")
    _strings(node, device_type="vdevice", compatible="IBM,vdevice")
    _cells(node, "#address-cells", 1)
    _cells(node, "#size-cells", 0)
    vty = fdt.Node(f"vty@{VTY_UNIT:x}")
    _strings(vty, device_type="serial", compatible="hvterm1")
    _cells(vty, "reg", VTY_UNIT)
    node.append(vty)
    return node
