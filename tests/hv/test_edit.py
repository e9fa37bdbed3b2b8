"""Edits are found by meaning, fit once or not at all, and keep the lines of the file."""

import pytest

from emu.hv.edit import Edit, EditError, applied, in_force

WHERE = "emu.hv.cede:kvmppc_cede"
CLEAR = "yield Write(vcpu.prodded, 0)"


def test_spaces_and_comments_do_not_matter():
    edit = Edit(WHERE, "yield   Write( vcpu.ceded,1 )", "yield Write(vcpu.ceded, 0)")
    assert "+    yield Write(vcpu.ceded, 0)" in edit.diff()


def test_a_step_that_is_not_there_is_a_defect():
    with pytest.raises(EditError, match="once, got 0 times"):
        Edit(WHERE, "yield Write(vcpu.cpu, 7)").code()


def test_a_step_that_is_there_twice_is_a_defect():
    with pytest.raises(EditError, match="once, got 2 times"):
        Edit("emu.hv.p9_entry:kvmhv_vcpu_entry_p9", "vcpu.kvm.firmware", "True").code()


def test_what_does_not_name_a_function_is_a_defect():
    with pytest.raises(EditError, match="names a function"):
        Edit("emu.hv.cede:EE", "1", "2").code()


def test_a_name_that_the_module_does_not_have_is_a_defect():
    with pytest.raises(EditError, match="Scatter"):
        Edit(WHERE, CLEAR, "yield Scatter(vcpu.prodded, 0)").code()


def test_a_generator_stays_a_generator():
    with pytest.raises(EditError, match="another kind"):
        Edit("emu.hv.spinlock:spin_unlock", "yield Write(lock, 0)", "pass").code()


def test_edits_hold_in_their_block_only():
    edit = Edit(WHERE, CLEAR)
    healthy = edit.function().__code__
    with applied([edit]):
        assert edit.function().__code__ != healthy
        assert in_force() == (edit,)
        with pytest.raises(EditError, match="same function"), applied([edit]):
            pass
    assert edit.function().__code__ is healthy
    assert in_force() == ()
