/* Fair livelocks: cycles of states in which everybody who can step does, and nothing comes of it.
 *
 * Of guest code alone any such cycle counts. One that host code has a part in counts only if there is no way
 * out of it: which of two races of the hypervisor's wins is a question of time, and not the same one wins for ever
 * (a vcpu that naps can wake its core up and put it to sleep again before a sibling comes in; it will come in).
 *
 * While the depth-first search goes through the states, Tarjan's algorithm puts those together that can
 * reach each other. It needs to know of a state no more than whether its component is still open, so what is
 * kept is the open components: of a program without cycles no more than the path to the state of now. When a
 * component is complete, bits tell whether it could be a livelock; only if so it is gone through once more, its steps
 * are written down, and the question is decided exactly.
 *
 * Fair is a run in which whoever can step again and again does so again and again: actors, interrupts of the
 * hypervisor's, native messages, and the clock, bound or no bound (strong fairness: locks are not for
 * ever given to others). A stwcx. does not fail for ever without a reason, a guest that prints makes progress, and
 * one that reads the time waits for it. So a livelock is a component of what is left without such steps, in
 * which everybody steps who can step somewhere in it. If someone does not, the states where he can are taken out, and what is left falls into
 * smaller components (Lichtenstein and Pnueli, "Checking That Finite State Concurrent Programs Satisfy
 * Their Linear Specification", 1985).
 */
#include "explore.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define MAX_BITS 64u

typedef uint64_t set_of;           /* of everybody who can step, a bit for each: see bit_of */

typedef struct {
    uint64_t hash;
    set_of enabled;                /* who can step in this state */
    set_of inside;                 /* who steps from here to a state of the same component */
    set_of guest;                  /* of them, those who do in the guest */
    uint32_t low;                  /* a member as early as any that is known to be reached from here */
    stepper by;                    /* whose step led here first */
    uint8_t ways_out;              /* steps lead out of the component from here, or make progress in it */
} member;

/* A step within a component, gone through for the second time. */
typedef struct {
    uint32_t from, to;             /* members, counted from the component's first */
    emu_choice by;
    uint8_t bit;                   /* whose step */
    uint8_t idle;                  /* it may be part of a livelock */
} edge;

struct fair_cycles {
    array members;                 /* member: the states of open components, in the order found */
    array path;                    /* uint32_t: for each frame of the search, its member */
    uint32_t *slots;               /* member + 1 by hash, open addressing */
    uint64_t size;
    array known;                   /* set_of: who steps in the livelocks reported */
};

/* A component that is decided. The arrays have an element for each member. */
typedef struct {
    uint32_t n;
    int closed;                    /* no step leads out of it or makes progress */
    array edges;                   /* edge; in the order of `from` when they are all there */
    uint64_t *first;               /* of each member's edges; n + 1 of them */
    uint64_t *next;                /* edge to look at next */
    set_of *enabled;
    uint8_t *out;                  /* taken out: some who can step here never do in the component */
    uint32_t *part;                /* the component of what is left, from 1; 0: not known yet */
    uint32_t *number, *low;        /* of Tarjan's algorithm */
    uint32_t *open, *path;         /* two stacks, or a queue and how its members were reached */
} component;

/* ---- who steps --------------------------------------------------------------------------------- */

static uint32_t clock_bit(const emu_search *s)
{
    return s->nactors + s->m->config.nthreads;
}

int can_judge_cycles(const emu_search *s)
{
    return 2 * s->nactors + s->m->config.nthreads + 1 <= MAX_BITS;
}

#define NO_ONE MAX_BITS              /* a stwcx. that fails without a reason */

static uint8_t bit_of(const emu_search *s, emu_choice choice)
{
    switch ((emu_choice_kind)choice.kind) {
    case EMU_CHOICE_FAIL:
        return NO_ONE;
    case EMU_CHOICE_LAND:
        return (uint8_t)(clock_bit(s) + 1 + choice.actor);
    default:
        return (uint8_t)process_of(s, choice);
    }
}

static set_of set_with(uint8_t bit)
{
    return bit == NO_ONE ? 0 : 1ull << bit;
}

static set_of who_can(const emu_search *s, const emu_choice *choices, uint32_t n)
{
    set_of who = 0;
    for (uint32_t i = 0; i < n; i++)
        who |= set_with(bit_of(s, choices[i]));
    return who;
}

stepper stepper_of(const emu_search *s, emu_choice choice)
{
    int host = choice.kind == EMU_CHOICE_GO && actor_thread(s, choice.actor) == NONE;
    return (stepper){ .who = bit_of(s, choice), .how = host ? 0 : STEP_IN_GUEST };
}

/* ---- open components ----------------------------------------------------------------------------- */

/* Where the hash is, or belongs. What is dropped was put in last, so probing never meets a gap. */
static uint32_t *slot_of(const fair_cycles *c, uint64_t hash)
{
    const member *members = c->members.at;
    uint64_t at = hash * 0x9e3779b97f4a7c15u >> 20 & (c->size - 1);
    while (c->slots[at] && members[c->slots[at] - 1].hash != hash)
        at = (at + 1) & (c->size - 1);
    return &c->slots[at];
}

static int grow(fair_cycles *c)
{
    const member *members = c->members.at;
    uint64_t size = c->size ? c->size * 2 : 1024;
    uint32_t *slots = calloc(size, sizeof *slots);
    if (!slots || c->members.used >= NONE)
        return 0;
    free(c->slots);
    c->slots = slots;
    c->size = size;
    for (uint64_t i = 0; i < c->members.used; i++)
        *slot_of(c, members[i].hash) = (uint32_t)i + 1;
    return 1;
}

static member *top(const fair_cycles *c)
{
    return (member *)c->members.at + ((const uint32_t *)c->path.at)[c->path.used - 1];
}

void cycles_free(emu_search *s)
{
    fair_cycles *c = s->cycles;
    if (!c)
        return;
    free(c->members.at);
    free(c->path.at);
    free(c->known.at);
    free(c->slots);
    free(c);
    s->cycles = NULL;
}

int cycles_enter(emu_search *s, const emu_choice *choices, uint32_t n, stepper by)
{
    fair_cycles *c = s->cycles;
    if (!c)
        c = s->cycles = calloc(1, sizeof *c);
    if (!c || (c->members.used * 2 >= c->size && !grow(c)))
        return 0;
    uint32_t *path = array_more(&c->path, 1, sizeof *path);
    member *new = array_more(&c->members, 1, sizeof *new);
    if (!path || !new)
        return 0;
    uint32_t index = (uint32_t)c->members.used - 1;
    *path = index;
    *new = (member){ .hash = s->hash, .enabled = who_can(s, choices, n), .low = index, .by = by };
    *slot_of(c, s->hash) = index + 1;
    return 1;
}

/* A step leads from a member to another of its component. */
static void note_inside(member *from, stepper by)
{
    from->inside |= set_with(by.who);
    from->guest |= by.how & STEP_IN_GUEST ? set_with(by.who) : 0;
    from->ways_out |= (by.how & STEP_EVENTFUL) != 0;
}

void cycles_meet(emu_search *s, stepper by)
{
    fair_cycles *c = s->cycles;
    uint32_t found = *slot_of(c, s->hash);
    member *from = top(c);
    if (!found) {
        from->ways_out = 1;        /* to a component that is complete: no way back from there */
        return;
    }
    note_inside(from, by);
    if (found - 1 < from->low)
        from->low = found - 1;
}

/* ---- a component written down ---------------------------------------------------------------------- */

static void forget(component *k)
{
    void *all[] = { k->edges.at, k->first, k->next, k->enabled, k->out, k->part, k->number, k->low, k->open,
                    k->path };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static int make_room(component *k)
{
    uint64_t n = k->n;
    k->first = calloc(n + 1, sizeof *k->first);
    k->next = calloc(n, sizeof *k->next);
    k->enabled = calloc(n, sizeof *k->enabled);
    k->out = calloc(n, sizeof *k->out);
    k->part = calloc(n, sizeof *k->part);
    k->number = calloc(n, sizeof *k->number);
    k->low = calloc(n, sizeof *k->low);
    k->open = calloc(n, sizeof *k->open);
    k->path = calloc(n, sizeof *k->path);
    return k->first && k->next && k->enabled && k->out && k->part && k->number && k->low && k->open && k->path;
}

/* A member whose steps are being taken again. */
typedef struct {
    uint64_t undo, hash, choices;
    uint32_t nchoices, next, at;
} visit;

static int begin_visit(emu_search *s, component *k, array *visits, array *choices, uint32_t at)
{
    visit *v = array_more(visits, 1, sizeof *v);
    emu_choice *room = array_more(choices, MAX_CHOICES, sizeof *room);
    if (!v || !room)
        return 0;
    uint64_t cut = s->facts.cut_timers;
    uint32_t n = all_choices(s, room);
    s->facts.cut_timers = cut;
    choices->used -= MAX_CHOICES;
    *v = (visit){ .undo = s->undo.used, .hash = s->hash, .choices = choices->used, .nchoices = n, .at = at };
    choices->used += n;
    k->enabled[at] = who_can(s, room, n);
    if (time_may_pass(s))
        k->enabled[at] |= 1ull << clock_bit(s);
    return 1;
}

/* Take the next step of the last visit. 0: out of memory. */
static int step_again(emu_search *s, component *k, array *visits, array *choices, uint8_t *seen,
                      uint32_t first_member)
{
    visit *v = (visit *)visits->at + visits->used - 1;
    go_back(s, v->undo, v->hash);
    if (v->next == v->nchoices) {
        choices->used = v->choices;
        visits->used--;
        return 1;
    }
    emu_choice choice = ((emu_choice *)choices->at)[v->choices + v->next++];
    uint32_t from = v->at;
    stepper by = stepper_of(s, choice);
    if (take(s, choice) != EMU_SEARCH_DONE)
        return 0;                  /* it was taken before, so that nothing else can be wrong */
    uint32_t to = *slot_of(s->cycles, s->hash);
    if (to <= first_member)
        return 1;
    to -= first_member + 1;
    edge *e = array_more(&k->edges, 1, sizeof *e);
    if (!e || k->edges.used >= NONE)
        return 0;
    *e = (edge){ .from = from, .to = to, .by = choice, .bit = by.who };
    e->idle = by.who != NO_ONE && !s->eventful && (k->closed || by.how & STEP_IN_GUEST);
    if (seen[to])
        return 1;
    seen[to] = 1;
    return begin_visit(s, k, visits, choices, to);
}

/* Take all steps within the component whose first member is the state of now. */
static int write_down(emu_search *s, component *k, uint32_t first_member)
{
    array visits = { 0 }, choices = { 0 };
    uint8_t *seen = calloc(k->n, 1);
    int ok = seen && begin_visit(s, k, &visits, &choices, 0);
    if (ok)
        seen[0] = 1;
    while (ok && visits.used)
        ok = step_again(s, k, &visits, &choices, seen, first_member);
    free(seen);
    free(visits.at);
    free(choices.at);
    return ok;
}

static int sort_edges(component *k)
{
    const edge *old = k->edges.at;
    edge *sorted = malloc((k->edges.used ? k->edges.used : 1) * sizeof *sorted);
    if (!sorted)
        return 0;
    for (uint64_t i = 0; i < k->edges.used; i++)
        k->first[old[i].from + 1]++;
    for (uint32_t i = 0; i < k->n; i++) {
        k->first[i + 1] += k->first[i];
        k->next[i] = k->first[i];
    }
    for (uint64_t i = 0; i < k->edges.used; i++)
        sorted[k->next[old[i].from]++] = old[i];
    free(k->edges.at);
    k->edges.at = sorted;
    return 1;
}

/* ---- the fair part of a component -------------------------------------------------------------------- */

static void visit_member(component *k, uint32_t at, uint32_t number, uint32_t *nopen, uint32_t *depth)
{
    k->number[at] = k->low[at] = number;
    k->next[at] = k->first[at];
    k->open[(*nopen)++] = at;
    k->path[(*depth)++] = at;
}

/* Divide what was not taken out into components; returns how many. */
static uint32_t divide(component *k)
{
    const edge *edges = k->edges.at;
    uint32_t nopen = 0, depth = 0, numbers = 0, parts = 0;
    memset(k->number, 0, k->n * sizeof *k->number);
    memset(k->part, 0, k->n * sizeof *k->part);
    for (uint32_t root = 0; root < k->n; root++) {
        if (!k->out[root] && !k->number[root])
            visit_member(k, root, ++numbers, &nopen, &depth);
        while (depth) {
            uint32_t at = k->path[depth - 1];
            if (k->next[at] < k->first[at + 1]) {
                const edge *e = &edges[k->next[at]++];
                if (!e->idle || k->out[e->to] || k->part[e->to])
                    continue;
                if (!k->number[e->to])
                    visit_member(k, e->to, ++numbers, &nopen, &depth);
                else if (k->number[e->to] < k->low[at])
                    k->low[at] = k->number[e->to];
                continue;
            }
            if (--depth && k->low[at] < k->low[k->path[depth - 1]])
                k->low[k->path[depth - 1]] = k->low[at];
            if (k->low[at] == k->number[at]) {
                parts++;
                do
                    k->part[k->open[--nopen]] = parts;
                while (k->open[nopen] != at);
            }
        }
    }
    return parts;
}

static int within(const component *k, const edge *e, uint32_t part)
{
    return e->idle && k->part[e->from] == part && k->part[e->to] == part;
}

/* Who steps in each part, and who could. */
static void who_steps(const component *k, set_of *steps, set_of *could)
{
    const edge *edges = k->edges.at;
    for (uint32_t i = 0; i < k->n; i++)
        could[k->part[i]] |= k->enabled[i];
    for (uint64_t i = 0; i < k->edges.used; i++)
        if (within(k, &edges[i], k->part[edges[i].from]))
            steps[k->part[edges[i].from]] |= set_with(edges[i].bit);
}

/* A part that is fair: 1, and which, and who steps in it; 0: there is none; -1: out of memory. */
static int fair_part(component *k, uint32_t *part, set_of *who)
{
    for (;;) {
        uint32_t parts = divide(k), found = 0;
        set_of *steps = calloc(parts + 1, sizeof *steps), *could = calloc(parts + 1, sizeof *could);
        if (!steps || !could) {
            free(steps);
            free(could);
            return -1;
        }
        who_steps(k, steps, could);
        for (uint32_t p = 1; p <= parts && !found; p++)
            if (steps[p] && !(could[p] & ~steps[p])) {
                found = p;
                *who = could[p];
            }
        for (uint32_t i = 0; i < k->n; i++)
            if (!steps[k->part[i]] || k->enabled[i] & ~steps[k->part[i]])
                k->out[i] = 1;
        free(steps);
        free(could);
        *part = found;
        if (found || !parts)
            return found != 0;
    }
}

/* ---- the witness: how to get there, and once round ------------------------------------------------------ */

typedef struct {
    uint32_t part;                 /* only through this part, 0: any way */
    uint32_t into;                 /* until a member of this part is reached, ... */
    uint32_t member;               /* ... or this one, ... */
    set_of who;                    /* ... or one of these has stepped */
} way;

static int is_there(const component *k, const edge *e, const way *w)
{
    if (w->who)
        return (set_with(e->bit) & w->who) != 0;
    return w->into ? k->part[e->to] == w->into : e->to == w->member;
}

/* The shortest way from a member; its steps go to the trail, who stepped is taken off `left`. Returns where it
 * leads, or NONE: out of memory. */
static uint32_t go(emu_search *s, component *k, uint32_t from, const way *w, set_of *left)
{
    const edge *edges = k->edges.at;
    uint32_t *queue = k->open, *via = k->path, used = 0, last = NONE;
    memset(k->number, 0, k->n * sizeof *k->number);
    queue[used++] = from;
    k->number[from] = 1;
    for (uint32_t done = 0; done < used && last == NONE; done++)
        for (uint64_t i = k->first[queue[done]]; i < k->first[queue[done] + 1] && last == NONE; i++) {
            uint32_t to = edges[i].to;
            if (w->part && !within(k, &edges[i], w->part))
                continue;
            if (is_there(k, &edges[i], w)) {
                last = (uint32_t)i;
            } else if (!k->number[to]) {
                k->number[to] = 1;
                via[to] = (uint32_t)i;
                queue[used++] = to;
            }
        }
    uint64_t length = 1;
    if (last == NONE)
        return NONE;
    for (uint32_t at = edges[last].from; at != from; at = edges[via[at]].from)
        length++;
    emu_choice *steps = array_more(&s->trail, length, sizeof *steps);
    if (!steps)
        return NONE;
    for (uint32_t i = last; length; i = via[edges[i].from]) {
        steps[--length] = edges[i].by;
        *left &= ~set_with(edges[i].bit);
    }
    return edges[last].to;
}

/* Put the way into a part, and once round in it so that everybody steps who can, behind the trail. Returns the
 * steps of the round; 0: out of memory. */
static uint64_t witness(emu_search *s, component *k, uint32_t part, set_of who)
{
    uint32_t start = 0;
    set_of left = 0;
    if (k->part[0] != part)
        start = go(s, k, 0, &(way){ .into = part }, &left);
    uint64_t before = s->trail.used;
    left = who;
    for (uint32_t at = start; at != NONE;) {
        if (!left && at == start)
            return s->trail.used - before;
        at = go(s, k, at, &(way){ .part = part, .who = left, .member = start }, &left);
    }
    return 0;
}

/* ---- judging --------------------------------------------------------------------------------------------- */

static int report(emu_search *s, component *k, uint32_t part, set_of who)
{
    uint64_t used = s->trail.used, round = witness(s, k, part, who);
    uint32_t actors = (uint32_t)(who & ((1ull << s->nactors) - 1));
    int news = round ? add_violation(s, EMU_VIOLATION_LIVELOCK, actors) : -1;
    if (news > 0) {
        finding *f = (finding *)s->violations.at + s->violations.used - 1;
        f->loop = f->length ? round : 0;
    }
    s->trail.used = used;
    return news;
}

/* Whether somebody's livelock was reported before with the same ones stepping. */
static int is_known(const fair_cycles *c, set_of inside)
{
    const set_of *known = c->known.at;
    for (uint64_t i = 0; i < c->known.used; i++)
        if (known[i] == inside)
            return 1;
    return 0;
}

/* Decide a component, the members from `first_member` on; the state of now is its first. */
static int decide(emu_search *s, uint32_t first_member, set_of inside, int closed)
{
    fair_cycles *c = s->cycles;
    component k = { .n = (uint32_t)(c->members.used - first_member), .closed = closed };
    uint64_t undo = s->undo.used, hash = s->hash;
    uint32_t part = 0;
    set_of who = 0;
    int ok = make_room(&k) && write_down(s, &k, first_member) && sort_edges(&k);
    go_back(s, undo, hash);
    int news = ok ? fair_part(&k, &part, &who) : -1;
    if (news > 0) {
        set_of *known = array_more(&c->known, 1, sizeof *known);
        if (known)
            *known = inside;
        news = known ? report(s, &k, part, who) : -1;
    }
    forget(&k);
    return news;
}

int cycles_leave(emu_search *s)
{
    fair_cycles *c = s->cycles;
    const member *members = c->members.at, *left = top(c);
    uint32_t index = ((const uint32_t *)c->path.at)[--c->path.used], low = left->low;
    int news = 0, ways_out = 0;
    if (c->path.used) {
        member *parent = top(c);
        if (low < parent->low)
            parent->low = low;
        if (low < index)
            note_inside(parent, left->by);
        else
            parent->ways_out = 1;
    }
    if (low < index)
        return 0;
    set_of inside = 0, guest = 0, always = ~0ull;
    for (uint64_t i = index; i < c->members.used; i++) {
        inside |= members[i].inside;
        guest |= members[i].guest;
        always &= members[i].enabled;
        ways_out |= members[i].ways_out;
    }
    set_of steps = ways_out ? guest : inside;
    if (steps && !(always & ~steps) && !is_known(c, steps))
        news = decide(s, index, steps, !ways_out);
    while (c->members.used > index) {
        *slot_of(c, members[c->members.used - 1].hash) = 0;
        c->members.used--;
    }
    return news;
}
