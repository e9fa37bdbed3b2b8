"""Facts of the Power ISA as tables: instructions, operands, SPRs, interrupts, hcalls.

Everything here is data plus the few functions that read it. The build imports this package alone,
before the rest of `emu` can exist, so it uses the standard library and relative imports only.
"""
