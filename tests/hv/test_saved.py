"""The file of a saved VM: what it holds comes back, and what is wrong with it is said."""

import contextlib
import hashlib
import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.errors import ImageError
from emu.hv.host import Host
from emu.hv.saved import SavedVm
from hv.machine import RING, machine


def saved_vm():
    host = machine(RING, smt=2)
    host.run(max_insns=100)
    assert host.vms[0].stop() is None
    return host.vms[0].save()


SAVED = saved_vm()
FILE = SAVED.to_bytes()


def sealed(described, memory=None):
    """A file with a right checksum, whatever it says."""
    body = json.dumps(described).encode() if not isinstance(described, bytes) else described
    body += b"\n" + (memory if memory is not None else FILE.split(b"\n", 2)[2])
    return b"emu-vm 2 %s\n" % hashlib.sha256(body).hexdigest().encode() + body


def described():
    return json.loads(FILE.split(b"\n", 2)[1])


def refused(data):
    with pytest.raises(ImageError) as raised:
        SavedVm.from_bytes(data)
    return str(raised.value)


def test_a_file_holds_the_vm():
    assert SavedVm.from_bytes(FILE) == SAVED


def test_the_same_vm_is_the_same_file():
    assert saved_vm().to_bytes() == FILE


def test_a_file_does_not_depend_on_the_host_it_comes_from():
    """Saved, restored on POWER8 and saved there before an instruction: the same bytes."""
    host = Host("power8")
    vm = host.restore_vm(SAVED)
    assert vm.stop() is None
    assert vm.save().to_bytes() == FILE


@pytest.mark.parametrize("data", [b"", b"emu-vm", b"\x7fELF", b"emu-vm 2 abc\n", b"emu-vm 2\n"])
def test_what_is_no_saved_vm_is_refused(data):
    assert refused(data).startswith("a saved VM must begin with 'emu-vm', its version and a")


def test_another_version_is_refused():
    assert refused(FILE.replace(b"emu-vm 2", b"emu-vm 1", 1)) == (
        "a saved VM must be of version 2, got 1"
    )


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(FILE) - 1))
def test_every_truncation_is_refused(length):
    refused(FILE[:length])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_every_damaged_byte_is_noticed(at, flip):
    assert refused(FILE[:at] + bytes([FILE[at] ^ flip]) + FILE[at + 1 :])


@pytest.mark.parametrize("name", sorted(described()))
def test_every_member_must_be_there(name):
    members = described()
    del members[name]
    assert refused(sealed(members)) == f"the VM must have {name}"


@pytest.mark.parametrize("name", sorted(described()["vcpus"][0]))
def test_every_member_of_a_vcpu_must_be_there(name):
    members = described()
    del members["vcpus"][1][name]
    assert refused(sealed(members)) == f"vcpu number 1 must have {name}"


WRONG = [
    ({"memory": 4097}, "memory of the VM must be a multiple of 4096, got 4097"),
    ({"memory": 1 << 40}, "memory of the VM must be 4096 to 4294967296, got 1099511627776"),
    ({"memory": True}, "memory of the VM must be 4096 to 4294967296, got True"),
    ({"timebase": "0x1" + "0" * 16}, ("timebase of the VM must be a 64-bit number such as '0x1f', "
     "got '0x10000000000000000'")),
    ({"timebase": -1}, "timebase of the VM must be a 64-bit number such as '0x1f', got -1"),
    ({"vcpus": []}, "vcpus of the VM must have ids that differ, got []"),
    ({"vcpus": 5}, "vcpus of the VM must be a list of at most 4096, got 5"),
    ({"vcpus": [7]}, "vcpu number 0 must be a JSON object, got 7"),
    ({"pages": [1, 0]}, "pages of the VM must be in order, and each once"),
    ({"pages": [0]}, "the memory of a saved VM must be 1 pages of 4096 bytes"),
    ({"pages": [256]}, "pages of the VM must be a list of numbers up to 0xff, got [256]"),
    ({"console_input": "%"}, "console_input of the VM must be base64 text, got '%'"),
    ({"ends": [1 << 33]}, ("ends of the VM must be a list of numbers up to 0xfffff, "
     "got [8589934592]")),
    ({"sources": [{}]}, "source 16 must have level"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[next(iter(c)) for c, _ in WRONG])
def test_what_no_vm_can_be_is_refused(change, message):
    assert refused(sealed({**described(), **change})) == message


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"[" * 100_000, b"\xff", b"1" * 5000])
def test_a_second_line_that_is_no_object_is_refused(text):
    assert "JSON" in refused(sealed(text))


def test_a_bomb_is_not_unpacked():
    bomb = zlib.compress(bytes(200 << 20), 9)
    assert refused(sealed(described(), bomb)).startswith("the memory of a saved VM must be")


def test_an_impossible_interrupt_controller_is_refused_when_it_moves_in():
    members = described()
    members["vcpus"][0]["one_regs"]["ICP_STATE"] = "0x2ffff0000"
    vm = Host("power9").restore_vm(SavedVm.from_bytes(sealed(members)))
    with pytest.raises(ImageError, match="the priority of ICP_STATE must be that of its XISR"):
        vm.host.run()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_json_in_any_place_is_read_or_refused(data):
    """Never anything but a VM or an ImageError."""
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=4,
    )
    members = described()
    at = data.draw(st.sampled_from(sorted(members)))
    target = members
    if at == "vcpus" and data.draw(st.booleans()):
        target = members["vcpus"][0]
        at = data.draw(st.sampled_from(sorted(target)))
    target[at] = data.draw(anything)
    with contextlib.suppress(ImageError):
        SavedVm.from_bytes(sealed(members))
