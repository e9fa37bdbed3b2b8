/* What can be seen of a run: events, turns, and consoles. */
#include "engine_parts.h"

#include <stdlib.h>
#include <string.h>

/* Room for one more of `size` entries of `each` bytes: doubles; 0 = out of memory. */
static int room(void **array, uint64_t used, uint64_t *size, size_t each)
{
    if (used < *size)
        return 1;
    uint64_t larger = *size ? *size * 2 : 64;
    void *moved = realloc(*array, larger * each);
    if (!moved)
        return 0;
    *array = moved;
    *size = larger;
    return 1;
}

int emu_engine_observe(emu_engine *e, uint32_t nvcpus, uint32_t nevents)
{
    uint64_t *counters = calloc((size_t)nvcpus * nevents + 1, sizeof *counters);
    if (!counters)
        return 0;
    free(e->counters);
    e->counters = counters;
    e->nvcpus = nvcpus;
    e->nevents = nevents;
    return 1;
}

uint64_t *emu_engine_counters(emu_engine *e)
{
    return e->counters;
}

int emu_engine_ring(emu_engine *e, uint32_t nentries)
{
    emu_event *ring = NULL;
    if (nentries & (nentries - 1))
        return 0;
    if (nentries && !(ring = malloc(nentries * sizeof *ring)))
        return 0;
    free(e->ring);
    e->ring = ring;
    e->ring_size = nentries;
    e->ring_put = e->ring_got = e->overrun = 0;
    return 1;
}

uint32_t emu_engine_drain(emu_engine *e, emu_event *out, uint32_t n)
{
    uint32_t taken = 0;
    while (taken < n && e->ring_got < e->ring_put)
        out[taken++] = e->ring[e->ring_got++ & (e->ring_size - 1)];
    return taken;
}

uint64_t emu_engine_overrun(const emu_engine *e)
{
    return e->overrun;
}

int emu_engine_record(emu_engine *e, int on)
{
    e->recording = on;
    e->nturns = 0;
    return 1;
}

uint64_t emu_engine_recorded(const emu_engine *e, emu_turn *out, uint64_t n)
{
    if (n > e->nturns)
        n = e->nturns;
    if (n)
        memcpy(out, e->turns, n * sizeof *out);
    return e->nturns;
}

int emu_engine_consoles(emu_engine *e, uint32_t n)
{
    console *consoles = calloc(n ? n : 1, sizeof *consoles);
    if (!consoles)
        return 0;
    for (uint32_t i = 0; i < e->nconsoles; i++) {
        free(e->consoles[i].out);
        free(e->consoles[i].in);
    }
    free(e->consoles);
    e->consoles = consoles;
    e->nconsoles = n;
    return 1;
}

int emu_engine_feed(emu_engine *e, uint32_t number, const uint8_t *bytes, uint64_t n)
{
    console *c = &e->consoles[number];
    uint8_t *in = realloc(c->in, c->in_len + n + 1);
    if (!in)
        return 0;
    memcpy(in + c->in_len, bytes, n);
    c->in = in;
    c->in_len += n;
    return 1;
}

const uint8_t *emu_engine_output(const emu_engine *e, uint32_t number)
{
    return e->consoles[number].out;
}

static int room_for_output(console *c, uint64_t end)
{
    if (end > c->out_size) {
        uint64_t larger = end * 2;
        uint8_t *moved = realloc(c->out, larger);
        if (!moved)
            return 0;
        c->out = moved;
        c->out_size = larger;
    }
    return 1;
}

int emu_engine_put(emu_engine *e, uint32_t number, uint64_t at, const uint8_t *bytes, uint64_t n)
{
    console *c = &e->consoles[number];
    if (!room_for_output(c, at + n))
        return 0;
    memcpy(c->out + at, bytes, n);
    return 1;
}

/* hcall registers hold characters most significant byte first, 8 a register. */
int engine_put_chars(console *c, const uint64_t *chars, uint64_t count, uint64_t *end)
{
    if (count > 16)
        count = 16;
    if (!room_for_output(c, *end + count))
        return 0;
    for (uint64_t i = 0; i < count; i++)
        c->out[*end + i] = (uint8_t)(chars[i / 8] >> (56 - i % 8 * 8));
    *end += count;
    return 1;
}

uint64_t engine_get_chars(const console *c, uint64_t *chars, uint64_t *begin)
{
    uint64_t count = *begin < c->in_len ? c->in_len - *begin : 0;
    if (count > 16)
        count = 16;
    chars[0] = chars[1] = 0;
    for (uint64_t i = 0; i < count; i++)
        chars[i / 8] |= (uint64_t)c->in[*begin + i] << (56 - i % 8 * 8);
    *begin += count;
    return count;
}

void engine_record(emu_engine *e, const view *m, const emu_node *n, uint32_t actor)
{
    e->counters[n->b * e->nevents + n->a]++;
    if (!e->ring_size)
        return;
    if (e->ring_put - e->ring_got == e->ring_size) {
        e->ring_got++;
        e->overrun++;
    }
    e->ring[e->ring_put++ & (e->ring_size - 1)] = (emu_event){
        .tb = m->state->tb, .actor = actor, .vcpu = (uint32_t)n->b, .event = n->a,
        .value = n->ref ? m->w[n->ref] : 0, .nia = m->vcpu[n->b].nia,
    };
}

int engine_note_turn(emu_engine *e, emu_turn turn)
{
    if (!e->recording)
        return 1;
    if (!room((void **)&e->turns, e->nturns, &e->turns_size, sizeof *e->turns))
        return 0;
    e->turns[e->nturns++] = turn;
    return 1;
}
