/* Steps in three parts: what an actor does in host code, what it does in the guest, and what there is to
 * choose from. Only those parts see this.
 */
#ifndef EMU_EXPLORE_STEP_H
#define EMU_EXPLORE_STEP_H

#include "explore.h"

#define NONE UINT32_MAX
#define WORDS(type) (sizeof(type) / sizeof(uint64_t))

typedef enum {
    MOVED,                         /* went on by one instruction, interrupt or host operation */
    STANDS,                        /* before a scheduling point */
    STUCK,                         /* s->facts.why says why */
    UNLEARNED                      /* s->facts says which edge */
} progress;

INLINE progress refuse(emu_search *s, uint32_t actor, uint32_t why, uint64_t nia)
{
    s->facts.why = why;
    s->facts.actor = actor;
    s->facts.nia = nia;
    return STUCK;
}

INLINE uint64_t ref_of(const emu_search *s, const void *field)
{
    return (uint64_t)((const uint64_t *)field - s->words);
}

INLINE void commit_vcpu(emu_search *s, const emu_vcpu *v)
{
    commit(s, ref_of(s, v), WORDS(emu_vcpu));
}

INLINE const emu_node *node_of(const emu_search *s, uint32_t actor)
{
    return emu_engine_at(s->e, (uint32_t)s->actors[actor].node);
}

/* ---- explore_host.c ---------------------------------------------------------------------------------- */

/* Whether others must be able to come before an operation. */
int host_is_point(const emu_search *s, uint32_t actor, const emu_node *n);
/* The actor's operation is done: go on along the edge of its answer. */
progress follow(emu_search *s, uint32_t actor, uint64_t answer);
/* first: of a step, which therefore begins even before a scheduling point. */
progress host_step(emu_search *s, uint32_t actor, int first);

/* ---- explore_guest.c --------------------------------------------------------------------------------- */

/* What the hypervisor's interrupts do to a thread in the guest. */
typedef enum {
    STAYS,
    MAY_LEAVE,                     /* the interrupt has not arrived yet, but may */
    LEAVES_AFTER,                  /* after the guest's own interrupt, if one is pending */
    LEAVES
} pull;

pull pull_of(const emu_search *s, uint32_t thread);
/* Whether others, or an interrupt of its own, must be able to come before an instruction. */
int is_point(const emu_search *s, uint32_t actor, const emu_point *p, const emu_vcpu *v);
/* Remember what a store may change. Returns the number of granules; NONE: it hits code. */
uint32_t before_store(emu_search *s, uint64_t address, uint32_t nbytes);
void after_store(emu_search *s, uint64_t address, uint32_t n, const emu_vcpu *self);
/* What no future step of the guest reads becomes 0, so that states that differ only in that are one. */
void bury(const emu_search *s, emu_vcpu *v);
/* A guest takes an interrupt that nobody handles: this is the end, and so a step of its own, before which
 * everybody else may go on. */
progress unhandled(emu_search *s, uint32_t thread, uint32_t vector, uint64_t nia);
/* A native message arrives. */
void deliver(emu_search *s, uint32_t thread);
progress guest_step(emu_search *s, uint32_t actor, uint32_t thread, int first, uint32_t choice);

#endif
