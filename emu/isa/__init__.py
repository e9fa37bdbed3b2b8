"""Facts of the Power ISA as tables: instructions, operands, SPRs, interrupts, hcalls.

Everything here is data plus the few functions that read it. The build imports this package alone,
before the rest of `emu` can exist, so it uses the standard library and relative imports only.

The instructions, and who asks what:

- `table.INSNS`: the rows (`instruction.Insn`); `insn.variants`: add, add., addo, addo. of one row.
  `table.VARIANTS[mnemonic]`, `table.ALIASES` (extended mnemonics), `table.MNEMONICS` (all names).
- `table.decode(word)`: the `Variant` that execution sees, or None (illegal): reserved bits do not
  matter. `table.decode_strict(word)`: likewise for words that are correct images, as an assembler
  makes them and the disassembler wants them.
- `variant.operands`: `operands.Operand` in written order; `operand.extract(word)`.
- `table.encode(mnemonic, values)`: the word; raises `operands.OperandError`.
- `table.candidates(mnemonic)`: the `syntax.Syntax`es of a mnemonic: `syntax.operands` tells what to
  write, `syntax.encode(values)` gives the word. They differ in the number of operands (an optional
  one is there or not) or in what the operands may be; the first that accepts the values counts.
- `disasm.disassemble(word, address, symbol_of)`: the text that `objdump -d` prints.

An operand value is a plain integer: a register is its number, a CR field 0..7, a CR bit 0..31,
an SPR its number, a relative branch target its distance from the instruction, in bytes. A
displacement (`Kind.DISPLACEMENT`) is always followed by the base register, written in parentheses.
"""
