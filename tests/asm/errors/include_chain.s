# A mistake in an included file: who included it.
        .include "include_chain.inc"
