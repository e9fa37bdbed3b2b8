# The functions that save and restore registers come from the linker.
    .globl _start
_start:
    bl _savegpr0_27
    b _restgpr0_27
    b _restgpr0_31
    bl _savegpr1_30
    bl _restgpr1_14
