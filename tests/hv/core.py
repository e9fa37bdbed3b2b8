"""A POWER7 or POWER8 core by hand: tasks of vcpus and offline threads, moved one at a time."""

from emu.hv.ops import RunGuest
from emu.hv.policy import Policy
from emu.hv.run import vcpu_task
from emu.hv.secondary import offline_thread
from hv.hand import Hand, Reason


class Core:
    """One host core with one VM; `task[i]` is vcpu i's, `thread[i]` hardware thread i's."""

    def __init__(self, smt=4, vcpu_ids=None, host="power8", **policy):
        self.hand = Hand(smt=smt, vcpu_ids=vcpu_ids, host=host, policy=Policy(**policy))
        self.vcpus = self.hand.vcpus
        self.vcore = self.hand.vcores[0]
        self.cpus = self.vcore.threads
        self.task = {}
        self.thread = {
            cpu.tir: self.hand.start(offline_thread(cpu, self.hand.vcores)).run()
            for cpu in self.vcore.secondaries
        }

    def __getitem__(self, ref):
        return self.hand[ref]

    def begin(self, *numbers):
        """Start the tasks of these vcpus; each goes on until it waits or is in the guest."""
        for number in numbers:
            self.task[number] = self.hand.start(vcpu_task(self.vcpus[number])).run()
        return self

    def actors(self):
        return [*self.task.values(), *self.thread.values()]

    def pending(self, actor):
        """Why the hardware makes an actor's guest exit now, if it does."""
        if not actor.in_guest:
            return None
        thread = self.hand.cpus[actor.op.thread].thread
        if self[thread.hdec_expires] <= self.hand.tb:
            return Reason.HDEC
        if self[thread.xics_ipi]:
            return Reason.EXTERNAL
        return Reason.H_DOORBELL if self[thread.hdoorbell] else None

    def take(self, actor):
        """The guest of an actor exits because of an interrupt to its thread."""
        reason = self.pending(actor)
        if reason is Reason.H_DOORBELL:
            self.hand[self.hand.cpus[actor.op.thread].thread.hdoorbell] = 0
        return actor.exit(reason).run()

    def settle(self):
        """Let everybody go on until all wait or are in the guest, uninterrupted."""
        moved = True
        while moved:
            moved = False
            for actor in self.actors():
                if self.pending(actor) is not None:
                    self.take(actor)
                    moved = True
                elif not (actor.waits or actor.in_guest or actor.done):
                    actor.run()
                    moved = True
        return self

    def running(self):
        """Which vcpu runs on which hardware thread: {thread: vcpu}."""
        found = {}
        for actor in self.actors():
            if isinstance(actor.op, RunGuest):
                cpu = self.hand.cpus[actor.op.thread]
                found[cpu.tir] = self[cpu.thread.vcpu] - 1
        return found

    def on(self, thread):
        """The actor whose guest runs on a hardware thread."""
        return next(
            actor for actor in self.actors() if actor.in_guest and actor.op.thread == thread
        )

    def events(self):
        return [event for actor in self.actors() for event in actor.events]
