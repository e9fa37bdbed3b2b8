"""What can be counted and traced, under KVM's tracepoint names where it has one.

An event happens to a vcpu. Guest interrupts and native doorbells are counted by the core.
"""

from __future__ import annotations

from enum import Enum


class Event(Enum):
    """A kind of event: its number, the tracepoint's name, and which case of it."""

    ENTER = (0, "kvm_guest_enter", "")
    EXIT_HCALL = (1, "kvm_guest_exit", "hcall")
    EXIT_HFAC_UNAVAIL = (2, "kvm_guest_exit", "hfac_unavail")
    EXIT_EMUL_ASSIST = (3, "kvm_guest_exit", "emul_assist")
    EXIT_HDEC = (4, "kvm_guest_exit", "hdec")
    EXIT_H_DOORBELL = (5, "kvm_guest_exit", "h_doorbell")
    EXIT_EXTERNAL = (6, "kvm_guest_exit", "external")
    EXIT_STOP = (7, "kvm_guest_exit", "stop")
    DOORBELL_SENT = (8, "kvm_ppc_doorbell", "sent")
    DOORBELL_COALESCED = (9, "kvm_ppc_doorbell", "coalesced")
    DOORBELL_CLEARED = (10, "kvm_ppc_doorbell", "cleared")
    DOORBELL_IGNORED = (11, "kvm_ppc_doorbell", "ignored")
    DPDES_READ = (12, "kvm_ppc_doorbell", "dpdes_read")
    TIR_READ = (13, "kvm_ppc_doorbell", "tir_read")
    CEDE = (14, "kvm_ppc_cede", "")
    PROD = (15, "kvm_ppc_prod", "")
    KICK = (16, "kvm_ppc_kick", "")
    IPI = (17, "kvm_ppc_ipi", "")
    BLOCKED = (18, "kvmppc_vcore_blocked", "")
    WAKEUP = (19, "kvmppc_vcore_wakeup", "")
    USERSPACE = (20, "kvm_userspace_exit", "")
    PREEMPTED = (21, "kvm_ppc_preempted", "")
    PROGRAM = (22, "kvm_ppc_queue_program", "")
    RUN_CORE = (23, "kvmppc_run_core", "")
    NAP = (24, "kvm_ppc_nap", "")
    NAP_WAKE = (25, "kvm_ppc_nap_wake", "")
    LATE_JOIN = (26, "kvm_ppc_late_join", "")
    TOO_LATE = (27, "kvm_ppc_too_late", "")
    MMU_GUEST = (28, "kvm_ppc_mmu_switch", "guest")
    MMU_HOST = (29, "kvm_ppc_mmu_switch", "host")

    def __init__(self, number: int, tracepoint: str, case: str) -> None:
        self.number = number
        self.tracepoint = tracepoint
        self.case = case

    @property
    def title(self) -> str:
        """Name one counter: the tracepoint and its case."""
        return f"{self.tracepoint}:{self.case}" if self.case else self.tracepoint


BY_NUMBER = {event.number: event for event in Event}
