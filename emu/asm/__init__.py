"""Text to words and back: assembler, ELF, disassembler."""
