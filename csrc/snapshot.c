/* Snapshots of the whole machine: a copy of the words, and a page table of shared page copies.
 *
 * vm.saved says what each page that is not dirty equals; a page table is chunks of 64 pages, and
 * chunks and pages are immutable once shared, so that saves and restores cost what changed. */
#include "emu.h"

#include <stdlib.h>
#include <string.h>

struct emu_snapshot {
    emu_snapshot *next, *previous;
    uint64_t *words;
    emu_chunk ***tables;           /* one a VM; NULL where the VM had no memory */
};

static void release_page(emu_page *page)
{
    if (page && --page->uses == 0) {
        --*page->held;
        free(page);
    }
}

static void release_chunk(emu_chunk *chunk)
{
    if (!chunk || --chunk->uses)
        return;
    for (uint32_t i = 0; i < EMU_CHUNK_PAGES; i++)
        release_page(chunk->page[i]);
    free(chunk);
}

static void release_table(emu_chunk **table, uint32_t nchunks)
{
    for (uint32_t i = 0; table && i < nchunks; i++)
        release_chunk(table[i]);
    free(table);
}

void emu_release_pages(emu_vm *vm)
{
    release_table(vm->saved, vm->nchunks);
}

/* A chunk of the VM's table that nobody else sees, so that it may change. NULL: no memory. */
static emu_chunk *own_chunk(emu_vm *vm, uint32_t number)
{
    emu_chunk *old = vm->saved[number];
    if (old && old->uses == 1)
        return old;
    emu_chunk *chunk = calloc(1, sizeof *chunk);
    if (!chunk)
        return NULL;
    chunk->uses = 1;
    if (old) {
        memcpy(chunk->page, old->page, sizeof chunk->page);
        for (uint32_t i = 0; i < EMU_CHUNK_PAGES; i++)
            if (chunk->page[i])
                chunk->page[i]->uses++;
        release_chunk(old);
    }
    vm->saved[number] = chunk;
    return chunk;
}

/* Copy the dirty pages away; afterwards none is dirty. 0, or -1 (some may remain dirty). */
static int clean(emu_vm *vm)
{
    while (vm->ndirty) {
        uint32_t number = vm->dirty[vm->ndirty - 1];
        emu_chunk *chunk = own_chunk(vm, number / EMU_CHUNK_PAGES);
        emu_page *page = chunk ? malloc(sizeof *page) : NULL;
        if (!page)
            return -1;
        page->uses = 1;
        page->held = &vm->held;
        vm->held++;
        memcpy(page->bytes, vm->bytes + (uint64_t)number * EMU_PAGE, EMU_PAGE);
        release_page(chunk->page[number % EMU_CHUNK_PAGES]);
        chunk->page[number % EMU_CHUNK_PAGES] = page;
        vm->flags[number] &= (uint8_t)~EMU_DIRTY;
        vm->ndirty--;
    }
    return 0;
}

emu_snapshot *emu_save(emu_machine *m)
{
    emu_snapshot *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->next = m->snapshots;
    if (s->next)
        s->next->previous = s;
    m->snapshots = s;
    s->words = malloc(m->nwords * 8);
    s->tables = calloc(m->config.nvms, sizeof *s->tables);
    if (!s->words || !s->tables)
        goto fail;
    memcpy(s->words, m->words, m->nwords * 8);
    for (uint32_t i = 0; i < m->config.nvms; i++) {
        emu_vm *vm = &m->vms[i];
        if (!vm->bytes)
            continue;
        s->tables[i] = calloc(vm->nchunks, sizeof *s->tables[i]);
        if (!s->tables[i] || clean(vm))
            goto fail;
        for (uint32_t k = 0; k < vm->nchunks; k++) {
            s->tables[i][k] = vm->saved[k];
            if (vm->saved[k])
                vm->saved[k]->uses++;
        }
    }
    return s;
fail:
    emu_drop(m, s);
    return NULL;
}

static void load_page(emu_vm *vm, uint32_t number, const emu_page *page)
{
    uint8_t *bytes = vm->bytes + (uint64_t)number * EMU_PAGE;
    if (vm->flags[number] & EMU_CODE)
        emu_forget_changed_code(vm, number, page ? page->bytes : NULL);
    if (page)
        memcpy(bytes, page->bytes, EMU_PAGE);
    else
        memset(bytes, 0, EMU_PAGE);
}

static const emu_page *page_of(emu_chunk *const *table, uint32_t number)
{
    const emu_chunk *chunk = table ? table[number / EMU_CHUNK_PAGES] : NULL;
    return chunk ? chunk->page[number % EMU_CHUNK_PAGES] : NULL;
}

static void restore_vm(emu_vm *vm, emu_chunk *const *table)
{
    /* Dirty pages differ from the VM's own table, so they are loaded whatever it says. */
    for (; vm->ndirty; vm->ndirty--) {
        uint32_t number = vm->dirty[vm->ndirty - 1];
        load_page(vm, number, page_of(table, number));
        vm->flags[number] &= (uint8_t)~EMU_DIRTY;
    }
    for (uint32_t k = 0; k < vm->nchunks; k++) {
        emu_chunk *wanted = table ? table[k] : NULL;
        if (vm->saved[k] == wanted)
            continue;
        uint32_t first = k * EMU_CHUNK_PAGES;
        uint64_t npages = vm->size / EMU_PAGE;
        for (uint32_t n = first; n < npages && n < first + EMU_CHUNK_PAGES; n++)
            if (page_of(vm->saved, n) != page_of(table, n))
                load_page(vm, n, page_of(table, n));
        if (wanted)
            wanted->uses++;
        release_chunk(vm->saved[k]);
        vm->saved[k] = wanted;
    }
}

void emu_restore(emu_machine *m, const emu_snapshot *s)
{
    memcpy(m->words, s->words, m->nwords * 8);
    for (uint32_t i = 0; i < m->config.nvms; i++)
        if (m->vms[i].bytes)
            restore_vm(&m->vms[i], s->tables[i]);
    for (uint32_t i = 0; i < m->config.nvcpus; i++)
        emu_note_reservation(m, emu_vcpu_at(m, i));
}

void emu_drop(emu_machine *m, emu_snapshot *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->tables && i < m->config.nvms; i++)
        release_table(s->tables[i], m->vms[i].nchunks);
    *(s->previous ? &s->previous->next : &m->snapshots) = s->next;
    if (s->next)
        s->next->previous = s->previous;
    free(s->tables);
    free(s->words);
    free(s);
    if (m->closing)
        emu_free(m);
}

uint64_t emu_saved_bytes(const emu_machine *m)
{
    uint64_t nbytes = 0;
    for (uint32_t i = 0; i < m->config.nvms; i++)
        nbytes += m->vms[i].held * sizeof(emu_page);
    for (const emu_snapshot *s = m->snapshots; s; s = s->next) {
        nbytes += m->nwords * 8;
        for (uint32_t i = 0; i < m->config.nvms; i++)
            nbytes += s->tables[i] ? m->vms[i].nchunks * sizeof *s->tables[i] : 0;
    }
    return nbytes;
}
