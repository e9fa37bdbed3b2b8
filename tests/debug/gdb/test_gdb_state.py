"""A real gdb looks at registers and memory, changes them, loads, and asks the monitor."""


def test_registers_are_shown_and_set(gdb):
    said = gdb("set $r9 = 0x1234", "p/x $r9", "set $srr0 = 0x5678", "p/x $srr0", "p $msr",
               "info registers msr", "info registers doorbell", "set $dpdes = 2L", "p $dpdes",
               "info registers pc lr", "p $vstate", "info registers hyp",
               "set $pc = helper", "x/i $pc", "info all-registers", "p $f0")  # fmt: skip
    assert said[1] == "0x1234"
    assert said[2] == "0x5678"
    assert said[3] == "[ ME SF ]"
    assert said[4] == "[ T1 ]"
    assert said[5] == "RUNNING"
    assert said[6] == "<unavailable>"
    assert "doorbell_request" in said
    assert "=> 0x10080 <helper>:\taddi    r3,r3,37" in said
    for name in ("tir", "dpdes", "srr0", "srr1", "hfscr", "lpcr", "dec", "icount", "vstate"):
        assert f"\n{name} " in said
    assert said.sent(r"P80=0000000000005678") or said.sent(r"P[0-9a-f]+=0000000000005678")


def test_what_cannot_be_set_is_refused(gdb):
    said = gdb("set $tir = 3", "p $tir", "set *(int *)0x10000000 = 1", "p *(int *)0x10000000")
    assert "Could not write register" in said
    assert said[1] == "0"
    assert "Cannot access memory at address 0x10000000" in said


def test_memory_is_examined_written_found_and_dumped(gdb, tmp_path):
    said = gdb("x/2i _start", "set *(int *)0x4000 = 77", "p *(int *)0x4000",
               "find 0x4000, +64, (int)77", f"dump binary memory {tmp_path}/dump 0x4000 0x4010",
               f"restore {tmp_path}/dump binary 0x1000", "p *(int *)0x1000", "x/s 0x4000",
               'set {char[4]}0x5000 = "}$#"', "x/s 0x5000", "output/x *(int *)0x5000",
               "info symbol 0x10010", "info address helper", "disassemble helper,+8")  # fmt: skip
    assert "li      r3,5" in said
    assert said[1] == "77"
    assert "1 pattern found" in said
    assert said[2] == "77"
    assert '0x5000:\t"}$#"' in said
    assert "after in section .text" in said or "_start + 16 in section .text" in said
    assert "addi    r3,r3,37" in said


def test_load_writes_the_program_and_sets_the_entry(gdb):
    said = gdb("stepi", "stepi", "load", "set *(int *)&helper = 0", "load",
               "p/d $pc == (long)&_start", "compare-sections", "break helper",
               "continue", "p $r3")  # fmt: skip
    assert "Transfer rate" in said
    assert said[1] == "1"
    assert "matched" in said
    assert "MIS-MATCHED" not in said
    assert said[2] == "5"
    assert said.sent(r"X[0-9a-f]+,0:")
    assert said.sent(r"P40=0000000000010000")


def test_monitor_runs_the_commands_of_the_prompt(gdb):
    said = gdb("monitor info threads", "monitor when", "monitor help stepi", "monitor p v1.tir",
               "thread 2", "monitor p tir", "monitor echo done")  # fmt: skip
    assert "* v0 vcore0.t0 running" in said
    assert "position @" in said
    assert "stepi, si [N]" in said
    assert said.text.count("$1 = 0x1") == 1
    assert "$2 = 0x1" in said
    assert "done\n" in said


def test_monitor_says_what_is_wrong(gdb):
    said = gdb("monitor nonsense", "monitor p nothing", "monitor break 3", "monitor quit",
               "monitor p " + "(" * 3000, "p/d $pc == (long)&_start")  # fmt: skip
    assert "error: no command is called 'nonsense'" in said
    assert "error: leave with gdb's own detach, kill or disconnect" in said
    assert said.text.count("error: ") == 5
    assert said[1] == "1"


def test_monitor_moves_the_machine_and_gdb_is_told_to_look_again(gdb):
    said = gdb("monitor break helper", "continue", "p/d $pc == (long)&helper", "monitor stepi",
               "maintenance flush register-cache", "p/d $pc - (long)&helper", "monitor goto 0",
               "maintenance flush register-cache", "p $r3")  # fmt: skip
    assert "breakpoint 1, 0x10080 <helper>" in said
    assert said[1] == "1"
    assert "gdb shows what was before until `maintenance flush register-cache`" in said
    assert said[2] == "4"
    assert said[3] == "0"


def test_packets_may_be_sent_by_hand(gdb):
    said = gdb("maint packet qC", "maint packet qMARK:here", "maint packet m10000,4")
    assert 'received: "QC1"' in said
    assert 'received: ""' in said
    assert 'received: "38600005"' in said
    assert said.sent("qMARK:here")
