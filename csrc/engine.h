/* One step of host code at a time, for the explorer; engine.abi.h says what the words mean. */
#ifndef ENGINE_H
#define ENGINE_H

#include "emu.h"
#include "engine.abi.h"

#define EMU_UNKNOWN UINT32_MAX /* an edge that has not been learned */

typedef enum {
    EMU_PERFORMED,             /* done: follow the edge of the answer */
    EMU_PERFORMED_NOTHING,     /* it waits, or is EMU_OP_RUN or EMU_OP_CALL, which are the caller's, or
                                  it is EMU_OP_INJECT, and nobody handles the interrupt */
    EMU_PERFORMED_BADLY        /* out of memory */
} emu_performed;

const emu_node *emu_engine_at(const emu_engine *e, uint32_t node);
const uint64_t *emu_engine_list(const emu_engine *e, const emu_node *n);
/* The node that an answer leads to; 0: the host code returned; EMU_UNKNOWN. */
uint32_t emu_engine_follow(const emu_engine *e, uint32_t node, uint64_t answer);
/* What EMU_OP_RUN puts into its word when the guest on a thread has exited. */
uint64_t emu_engine_trap(const emu_engine *e, emu_machine *m, uint32_t thread, emu_exit_reason why);
/* Performs the operation that the actor stands at; does not move the actor. */
emu_performed emu_engine_perform(emu_engine *e, emu_machine *m, uint32_t actor, uint64_t *answer);

#endif
