"""Capabilities of hosts and VMs, and the vcpu ids that follow from them."""

import pytest

from emu.errors import ConfigError
from emu.hv import Capability, Host
from emu.hv.capability import KVM_MAX_VCPUS, kvmppc_pack_vcpu_id

SMT, POSSIBLE = Capability.PPC_SMT, Capability.PPC_SMT_POSSIBLE
MODELS = [("power7", 1, 4), ("power8", 1, 8), ("power8", 2, 4), ("power8", 4, 2)]


@pytest.mark.parametrize(("model", "subcores", "threads"), MODELS)
def test_a_host_whose_threads_share_a_partition_has_those_of_a_subcore(model, subcores, threads):
    host = Host(model, subcores=subcores)
    assert host.check_extension(SMT) == threads
    assert host.check_extension(POSSIBLE) == 2 * threads - 1


def test_a_power9_host_has_one_thread_and_emulates_up_to_eight():
    host = Host("power9")
    assert (host.check_extension(SMT), host.check_extension(POSSIBLE)) == (1, 15)


@pytest.mark.parametrize("model", ["power7", "power8", "power9"])
def test_every_possible_mode_can_be_enabled_and_is_what_the_guest_gets(model):
    bits = Host(model).check_extension(POSSIBLE)
    for mode in (1 << n for n in range(8) if bits >> n & 1):
        vm = Host(model, cores=2).create_vm(memory=4096)
        vm.enable_cap(SMT, mode)
        assert vm.check_extension(SMT) == mode
        assert vm.check_extension(POSSIBLE) == bits
        for vcpu_id in range(mode + 1):
            vm.create_vcpu(vcpu_id)
        if model != "power9":
            assert [vcpu.vcore.number for vcpu in vm.vcpus] == [0] * mode + [1]
        else:
            assert vm.kvm.emul_smt_mode == mode


@pytest.mark.parametrize("mode", [0, -1, 3, 5, 6, 7, 9, 16])
@pytest.mark.parametrize("model", ["power7", "power8", "power9"])
def test_a_mode_that_is_no_power_of_two_up_to_eight_is_refused(model, mode):
    vm = Host(model).create_vm()
    with pytest.raises(ConfigError, match=rf"smt must be one of .*, got {mode}$"):
        vm.enable_cap(SMT, mode)
    assert vm.check_extension(SMT) == 1


def test_a_mode_beyond_the_threads_of_a_subcore_is_refused():
    vm = Host("power8", subcores=2).create_vm()
    with pytest.raises(ConfigError, match="smt must be at most the 4 threads of a subcore, got 8"):
        vm.enable_cap(SMT, 8)


def test_the_mode_is_fixed_once_a_vcpu_exists():
    vm = Host().create_vm()
    vm.create_vcpu()
    with pytest.raises(ConfigError, match="set PPC_SMT before a vcpu exists, got 1 vcpus"):
        vm.enable_cap(SMT, 2)


def test_the_possible_modes_can_only_be_queried():
    with pytest.raises(ConfigError, match="PPC_SMT_POSSIBLE can only be queried"):
        Host().create_vm().enable_cap(POSSIBLE, 1)


# ---- vcpu ids


@pytest.mark.parametrize(("smt", "used"), [(1, 1), (2, 1), (4, 1), (8, 1), (4, 2), (8, 2), (8, 4)])
def test_ids_that_leave_threads_out_fill_the_table_without_collision(smt, used):
    """KVM_MAX_VCPUS vcpus fit, whatever the stride, if each core has `used` of its threads."""
    ids = [core * smt + thread for core in range(KVM_MAX_VCPUS // used) for thread in range(used)]
    packed = {kvmppc_pack_vcpu_id(vcpu_id, smt) for vcpu_id in ids}
    assert packed == set(range(KVM_MAX_VCPUS))


def test_two_ids_with_one_place_in_the_table_are_refused():
    vm = Host().create_vm(smt=8)
    vm.create_vcpu(4)
    rule = "vcpu ids must have places of their own, got 2048 and 4, which share 4"
    with pytest.raises(ConfigError, match=rule):
        vm.create_vcpu(KVM_MAX_VCPUS)


@pytest.mark.parametrize("model", ["power8", "power9"])
@pytest.mark.parametrize("vcpu_id", [-1, 4096])
def test_an_id_beyond_the_table_is_refused(model, vcpu_id):
    vm = Host(model).create_vm(smt=2)
    rule = f"a vcpu id must be 0 to 4095 with smt 2, got {vcpu_id}$"
    with pytest.raises(ConfigError, match=rule):
        vm.create_vcpu(vcpu_id)


@pytest.mark.parametrize("model", ["power7", "power8"])
def test_on_shared_partitions_ids_in_multiples_of_the_mode_make_single_threaded_cores(model):
    vm = Host(model, cores=2).create_vm(smt=4)
    for vcpu_id in (0, 4, 8):
        vm.create_vcpu(vcpu_id)
    assert [vcpu.vcore.number for vcpu in vm.vcpus] == [0, 1, 2]
    assert [vcpu.ptid for vcpu in vm.vcpus] == [0, 0, 0]
