/* Steps in host code: one operation of the learned automaton at a time. */
#include "explore_step.h"

progress follow(emu_search *s, uint32_t actor, uint64_t answer)
{
    uint32_t at = (uint32_t)s->actors[actor].node;
    uint32_t next = emu_engine_follow(s->e, at, answer);
    if (next == EMU_UNKNOWN) {
        s->facts.actor = actor;
        s->facts.node = at;
        s->facts.answer = answer;
        return UNLEARNED;
    }
    s->actors[actor].node = next;
    reach_node(s, next);
    changed(s, ref_of(s, &s->actors[actor].node));
    const emu_node *n = next ? emu_engine_at(s->e, next) : NULL;
    if (n && n->op == EMU_OP_RUN && emu_thread_at(s->m, (uint32_t)n->a)->vcpu) {
        uint64_t vcpu = emu_thread_at(s->m, (uint32_t)n->a)->vcpu - 1;
        const scratch_word *word = s->scratch.at;
        for (uint64_t i = 0; i < s->scratch.used; i++)
            if (word[i].vcpu == vcpu) {
                s->words[word[i].ref] = 0;
                changed(s, word[i].ref);
            }
        bury(s, emu_vcpu_at(s->m, vcpu));
        commit_vcpu(s, emu_vcpu_at(s->m, vcpu));
    }
    return MOVED;
}

/* Everything that an operation may have written. */
static void commit_host(emu_search *s, const emu_node *n)
{
    switch ((emu_op_code)n->op) {
    case EMU_OP_READ:
    case EMU_OP_CHECK:
    case EMU_OP_COMPARE:
    case EMU_OP_AWAIT:
    case EMU_OP_TRACE:
    case EMU_OP_RELAX:
    case EMU_OP_RUN:
    case EMU_OP_CALL:
    case EMU_OP_COUNT:
        break;
    case EMU_OP_SCATTER:
        commit(s, n->a, 32);
        break;
    case EMU_OP_FETCH:
    case EMU_OP_ADVANCE:
        commit_vcpu(s, emu_vcpu_at(s->m, n->a));
        break;
    case EMU_OP_INJECT:
        commit_vcpu(s, vcpu_of(s, (uint32_t)n->a));
        break;
    case EMU_OP_RANDOM:
        changed(s, n->ref);
        changed(s, ref_of(s, &emu_state(s->m)->rng));
        break;
    case EMU_OP_GET_CHARS:
        changed(s, n->ref);
        changed(s, n->ref + 1);
        changed(s, n->ref2);
        changed(s, n->b);
        break;
    case EMU_OP_PUT_CHARS:
        s->eventful = 1;
        changed(s, n->b);
        break;
    case EMU_OP_STOP:
        changed(s, ref_of(s, &emu_state(s->m)->stopped));
        changed(s, ref_of(s, &emu_state(s->m)->status));
        break;
    default:
        changed(s, n->ref);
        break;
    }
}

/* Whether the operation touches what is not the actor's own. */
static int host_is_shared(const emu_search *s, uint32_t actor, const emu_node *n)
{
    uint64_t refs[MAX_REFS];
    uint8_t writes[MAX_REFS];
    uint32_t count = n->visible ? refs_of(s, n, refs, writes) : 0;
    for (uint32_t i = 0; count != NONE && i < count; i++)
        if (!own_word(s, actor, refs[i], writes[i]))
            return 1;
    return 0;
}

int host_is_point(const emu_search *s, uint32_t actor, const emu_node *n)
{
    switch ((emu_op_code)n->op) {
    case EMU_OP_AWAIT:
    case EMU_OP_CALL:
    case EMU_OP_STOP:
    case EMU_OP_PUT_CHARS:
    case EMU_OP_GET_CHARS:
    case EMU_OP_RANDOM:
    case EMU_OP_COUNT:
        return 1;
    default:
        break;
    }
    if (takes_lock(s, n))
        return s->words[n->ref] || !own_word(s, actor, n->ref, 1);
    return !s->only_locked && !lets_go(s, actor, n) && host_is_shared(s, actor, n);
}

static void host_claim(emu_search *s, uint32_t actor, const emu_node *n)
{
    uint64_t refs[MAX_REFS];
    uint8_t writes[MAX_REFS];
    uint32_t count = n->visible ? refs_of(s, n, refs, writes) : 0;
    for (uint32_t i = 0; count != NONE && i < count; i++)
        claim_word(s, actor, refs[i], writes[i]);
}

progress host_step(emu_search *s, uint32_t actor, int first)
{
    if (!s->actors[actor].node)
        return STANDS;
    const emu_node *n = node_of(s, actor);
    uint64_t answer;
    if (!first) {
        if (host_is_point(s, actor, n) || (n->visible && s->crossed[actor] == MAX_CROSSED)) {
            /* Who waits looks all the time, and perhaps never again gets to see what would let it go on. */
            if (n->op == EMU_OP_AWAIT || takes_lock(s, n))
                host_claim(s, actor, n);
            return STANDS;
        }
        s->crossed[actor] += n->visible != 0;
    }
    s->only_locked = first ? takes_lock(s, n) : s->only_locked && !host_is_shared(s, actor, n);
    host_claim(s, actor, n);
    uint64_t address = n->op == EMU_OP_COUNT ? s->words[n->ref] : 0;
    uint32_t granules = before_store(s, address, address ? 4 : 0);
    if (granules == NONE)
        return refuse(s, actor, EMU_REFUSED_STORE, 0);
    switch (emu_engine_perform(s->e, s->m, actor, &answer)) {
    case EMU_PERFORMED:
        break;
    case EMU_PERFORMED_NOTHING:
        if (n->op == EMU_OP_AWAIT)
            return STANDS;
        if (n->op == EMU_OP_INJECT && !first) {
            s->crossed[actor] -= n->visible != 0;
            return STANDS;
        }
        if (n->op == EMU_OP_INJECT)
            return unhandled(s, (uint32_t)n->a, (uint32_t)n->b, vcpu_of(s, (uint32_t)n->a)->nia);
        return refuse(s, actor, EMU_REFUSED_CALL, 0);
    case EMU_PERFORMED_BADLY:
        s->failed = 1;
        return STANDS;
    }
    commit_host(s, n);
    note_lock(s, actor, n, answer);
    after_store(s, address, granules, NULL);
    return follow(s, actor, answer);
}
