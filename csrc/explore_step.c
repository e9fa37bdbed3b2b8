/* Steps: what can happen next, and making it happen.
 *
 * Visible is what another actor can see or change: storage accesses, doorbells, accesses of host code
 * to shared words, and everything that an interrupt of the same thread must not be ordered against
 * (EMU_POINT_OWN, and only while MSR[EE] lets one in). A step is one visible operation and the
 * private ones after it.
 *
 * Time stands still, but for EMU_CHOICE_TIMER: every instruction ends at the timebase that it began at,
 * or what a deadline of a few ticks comes to would depend on how many private operations make one step.
 */
#include "explore_step.h"

#define MORE_CLAIMS 256u           /* steps */

/* Without an engine an actor is a hardware thread. */
uint32_t actor_thread(const emu_search *s, uint32_t actor)
{
    if (!s->e)
        return actor;
    const emu_node *n = s->actors[actor].node ? node_of(s, actor) : NULL;
    return n && n->op == EMU_OP_RUN ? (uint32_t)n->a : NONE;
}

/* An actor that goes round where nobody sees it is stopped where a step in the finest steps stops too. */
static emu_search_verdict advance(emu_search *s, uint32_t actor, int first, uint32_t choice)
{
    uint64_t now = emu_state(s->m)->tb;
    for (uint32_t left = EMU_MAX_PRIVATE; left; left--) {
        uint32_t thread = actor_thread(s, actor), crossed = s->crossed[actor];
        if (!first && (s->single || (s->hold && thread != NONE)))
            return EMU_SEARCH_DONE;
        progress p = thread == NONE ? host_step(s, actor, first) : guest_step(s, actor, thread, first, choice);
        emu_state(s->m)->tb = now;
        if (p == STANDS)
            return EMU_SEARCH_DONE;
        if (p == STUCK)
            return EMU_SEARCH_REFUSED;
        if (p == UNLEARNED)
            return EMU_SEARCH_LEARN;
        if (is_over(s))
            return EMU_SEARCH_DONE;
        if (s->crossed[actor] != crossed)
            left = EMU_MAX_PRIVATE;
        first = 0;
        choice = EMU_CHOICE_GO;
    }
    return EMU_SEARCH_DONE;
}

/* The time at which the next thing is to happen; UINT64_MAX: nothing is. */
static uint64_t next_time(const emu_search *s)
{
    uint64_t now = emu_state(s->m)->tb, nearest = UINT64_MAX;
    for (uint32_t actor = 0; actor < s->nactors; actor++) {
        uint32_t thread = actor_thread(s, actor);
        uint64_t times[2] = { UINT64_MAX, UINT64_MAX };
        if (thread != NONE && vcpu_of(s, thread)) {
            const emu_thread *t = emu_thread_at(s->m, thread);
            const emu_vcpu *v = vcpu_of(s, thread);
            if (t->lpcr & LPCR_HDICE)
                times[0] = t->hdec_expires;
            if (v->dec_armed)      /* below zero by less than half its range: due already */
                times[1] = now + emu_to_decrementer(t, v, now + emu_subproc_at(s->m, t->subproc)->tb_offset);
        } else if (s->e && s->actors[actor].node && node_of(s, actor)->op == EMU_OP_AWAIT) {
            const emu_node *n = node_of(s, actor);
            const uint64_t *list = emu_engine_list(s->e, n);
            if (n->ref)
                times[0] = s->words[n->ref];
            for (uint32_t i = 0; i < n->list_len; i++)
                if (list[4 * i] == EMU_COND_PAST && s->words[list[4 * i + 1]] < times[1])
                    times[1] = s->words[list[4 * i + 1]];
        }
        for (int i = 0; i < 2; i++)
            if (times[i] > now && times[i] < nearest)
                nearest = times[i];
    }
    return nearest;
}

int time_may_pass(const emu_search *s)
{
    return next_time(s) != UINT64_MAX;
}

/* A claim was broken, so all will begin again: not at once, because others will break soon. */
static int begins_again(emu_search *s)
{
    if (!s->again)
        return 0;
    if (!s->again_at)
        s->again_at = s->facts.steps + s->facts.steps / 8 + MORE_CLAIMS;
    return s->facts.steps >= s->again_at;
}

emu_search_verdict take(emu_search *s, emu_choice choice)
{
    uint64_t undo = s->undo.used, hash = s->hash, timers = s->nwords + OWN_TIMERS;
    emu_machine_state *state = emu_state(s->m);
    uint64_t now = state->tb;
    emu_search_verdict verdict = EMU_SEARCH_DONE;
    s->backward = s->eventful = 0;
    s->crossed[choice.actor] = 0;
    s->only_locked = 0;
    switch ((emu_choice_kind)choice.kind) {
    case EMU_CHOICE_DELIVER:
        deliver(s, choice.actor);
        break;
    case EMU_CHOICE_TIMER:
        now = next_time(s);
        set_own(s, timers, s->shadow[timers] + 1);
        break;
    default:
        verdict = advance(s, choice.actor, 1, choice.kind);
        break;
    }
    s->only_locked = 0;
    state->tb = now;
    changed(s, ref_of(s, &state->tb));
    if (s->failed)
        verdict = EMU_SEARCH_MEMORY;
    if (verdict != EMU_SEARCH_DONE) {
        commit(s, 0, s->nwords);
        go_back(s, undo, hash);
    }
    return verdict == EMU_SEARCH_DONE && begins_again(s) ? EMU_SEARCH_AGAIN : verdict;
}

emu_search_verdict settle(emu_search *s)
{
    emu_search_verdict verdict = EMU_SEARCH_DONE;
    for (uint32_t actor = 0; actor < s->nactors && verdict == EMU_SEARCH_DONE; actor++) {
        s->crossed[actor] = 0;
        verdict = advance(s, actor, 0, EMU_CHOICE_GO);
    }
    if (verdict != EMU_SEARCH_DONE) {
        commit(s, 0, s->nwords);
        go_back(s, 0, s->hash0);
    }
    return verdict == EMU_SEARCH_DONE && s->again ? EMU_SEARCH_AGAIN : verdict;
}

/* ---- choices ---------------------------------------------------------------------------------------------- */

static uint32_t guest_choices(const emu_search *s, uint32_t actor, uint32_t thread, emu_choice *out)
{
    uint32_t n = 0;
    const emu_vcpu *v = vcpu_of(s, thread);
    const emu_point *p = v ? point_at(s, v->nia) : NULL;
    uint32_t vector = v ? interrupt_of(s, thread, v) : 0;
    pull pulled = pull_of(s, thread);
    int forced = vector || pulled >= LEAVES_AFTER;
    if (forced || !p || p->kind != EMU_POINT_END)
        out[n++] = (emu_choice){ .actor = (uint8_t)actor, .kind = EMU_CHOICE_GO };
    if (!forced && p && p->kind == EMU_POINT_CONDITIONAL && v->reserve_size && s->o.spurious)
        out[n++] = (emu_choice){ .actor = (uint8_t)actor, .kind = EMU_CHOICE_FAIL };
    if (pulled == MAY_LEAVE && !(vector && !emu_thread_at(s->m, thread)->xics_ipi))
        out[n++] = (emu_choice){ .actor = (uint8_t)actor, .kind = EMU_CHOICE_LAND };
    return n;
}

static uint32_t choices_of(emu_search *s, uint32_t actor, emu_choice *out)
{
    uint32_t thread = actor_thread(s, actor);
    if (thread != NONE)
        return guest_choices(s, actor, thread, out);
    if (!s->actors[actor].node)
        return 0;
    const emu_node *n = node_of(s, actor);
    if (n->op == EMU_OP_AWAIT && !emu_engine_enabled(s->e, s->m, actor))
        return 0;
    if (takes_lock(s, n) && s->words[n->ref])
        return 0;
    out[0] = (emu_choice){ .actor = (uint8_t)actor, .kind = EMU_CHOICE_GO };
    return 1;
}

int can_go(emu_search *s, uint32_t actor)
{
    emu_choice choices[MAX_ALTERNATIVES];
    return choices_of(s, actor, choices) && choices[0].kind != EMU_CHOICE_LAND;
}

int is_spent(const emu_search *s)
{
    uint64_t insns = 0;
    if (s->o.max_insns == UINT64_MAX)
        return 0;
    for (uint32_t i = 0; i < s->m->config.nvcpus; i++)
        insns += emu_vcpu_at(s->m, i)->ic;
    return insns >= s->o.max_insns;
}

uint32_t all_choices(emu_search *s, emu_choice *out)
{
    uint32_t n = 0;
    uint64_t outbox = s->shadow[s->nwords + OWN_OUTBOX];
    if (is_over(s) || is_spent(s))
        return 0;
    for (uint32_t actor = 0; actor < s->nactors; actor++)
        n += choices_of(s, actor, out + n);
    for (; outbox; outbox &= outbox - 1)
        out[n++] = (emu_choice){ .actor = (uint8_t)__builtin_ctzll(outbox), .kind = EMU_CHOICE_DELIVER };
    if (s->o.timers && next_time(s) != UINT64_MAX) {
        if (s->shadow[s->nwords + OWN_TIMERS] < s->o.timers)
            out[n++] = (emu_choice){ .actor = 0, .kind = EMU_CHOICE_TIMER };
        else
            s->facts.cut_timers++;
    }
    return n;
}

int emu_search_stands(const emu_search *s, uint32_t actor)
{
    if (actor >= s->nactors)
        return 1;
    uint32_t thread = actor_thread(s, actor);
    if (thread == NONE)
        return !s->actors[actor].node || host_is_point(s, actor, node_of(s, actor));
    const emu_vcpu *v = vcpu_of(s, thread);
    const emu_point *p = v ? point_at(s, v->nia) : NULL;
    return !p || interrupt_of(s, thread, v) || pull_of(s, thread) >= LEAVES_AFTER || is_point(s, actor, p, v);
}

/* ---- what an actor stands before -------------------------------------------------------------------------- */

int emu_search_stand(const emu_search *s, uint32_t actor, emu_stand *out)
{
    if (actor >= s->nactors)
        return -1;
    uint32_t thread = actor_thread(s, actor);
    *out = (emu_stand){ .host = thread == NONE };
    if (s->e)
        out->node = (uint32_t)s->actors[actor].node;
    if (thread == NONE) {
        out->kind = out->node ? node_of(s, actor)->op : 0;
        return 0;
    }
    const emu_vcpu *v = vcpu_of(s, thread);
    if (!v)
        return -1;
    const emu_point *p = point_at(s, v->nia);
    out->nia = v->nia;
    out->interrupt = interrupt_of(s, thread, v);
    if (p) {
        out->kind = p->kind;
        if (p->nbytes)
            out->ea = address_of(v, p);
    }
    return 0;
}
