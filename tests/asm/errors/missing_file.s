# Files that are not there.
        .include "nowhere.inc"
        .incbin "nowhere.bin"
