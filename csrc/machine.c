/* The machine as data: its words, guest memory, counts and log. */
#include "emu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static int is_count(uint32_t n)
{
    return n >= 1 && n <= EMU_MAX_COUNT;
}

emu_machine *emu_new(const emu_config *config)
{
    if (!is_count(config->nvms) || !is_count(config->nvcpus) || !is_count(config->nthreads)
        || config->generation < 7 || config->generation > 9)
        return NULL;
    emu_machine *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->config = *config;
    const uint64_t sizes[EMU_NAREAS] = {
        [EMU_AREA_MACHINE] = sizeof(emu_machine_state) / 8,
        [EMU_AREA_VCPU] = sizeof(emu_vcpu) / 8 * config->nvcpus,
        [EMU_AREA_THREAD] = sizeof(emu_thread) / 8 * config->nthreads,
        [EMU_AREA_SUBPROC] = sizeof(emu_subproc) / 8 * config->nthreads,
        [EMU_AREA_ACTOR] = config->actor_words,
        [EMU_AREA_HOST] = config->host_words,
    };
    for (int i = 0; i < EMU_NAREAS; i++)
        m->area[i + 1] = m->area[i] + sizes[i];
    m->nwords = m->area[EMU_NAREAS];
    m->words = calloc(m->nwords, 8);
    m->vms = calloc(config->nvms, sizeof *m->vms);
    m->counts = calloc(config->nvcpus, sizeof *m->counts * EMU_COUNTS);
    if (!m->words || !m->vms || !m->counts) {
        emu_free(m);
        return NULL;
    }
    emu_decode_init();
    return m;
}

static void free_vm(emu_vm *vm)
{
    emu_drop_code(vm);
    for (int order = 0; order < EMU_NORDERS; order++)
        free(vm->code[order]);
    if (vm->bytes)
        munmap(vm->bytes, vm->size);
    free(vm->flags);
    free(vm->breaks);
    free(vm->dirty);
    emu_release_pages(vm);
}

void emu_free(emu_machine *m)
{
    if (!m)
        return;
    m->closing = 1;
    if (m->snapshots)
        return;
    for (uint32_t i = 0; m->vms && i < m->config.nvms; i++)
        free_vm(&m->vms[i]);
    free(m->vms);
    free(m->words);
    free(m->counts);
    free(m->log);
    free(m);
}

uint64_t *emu_words(emu_machine *m)
{
    return m->words;
}

uint64_t emu_nwords(const emu_machine *m)
{
    return m->nwords;
}

uint64_t emu_area_start(const emu_machine *m, uint32_t area)
{
    return m->area[area <= EMU_NAREAS ? area : EMU_NAREAS];
}

void emu_pay_interrupts(emu_machine *m, int on)
{
    m->pays_interrupts = on;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static emu_vm *vm_at(const emu_machine *m, uint32_t vm)
{
    return vm < m->config.nvms && m->vms[vm].bytes ? &m->vms[vm] : NULL;
}

int emu_memory_new(emu_machine *m, uint32_t number, uint64_t nbytes)
{
    if (number >= m->config.nvms || m->vms[number].bytes || nbytes == 0 || nbytes % EMU_PAGE
        || nbytes > EMU_MAX_MEMORY)
        return -1;
    emu_vm vm = {.size = nbytes};
    uint64_t npages = nbytes / EMU_PAGE;
    /* Pages that the guest never touches cost the host nothing. */
    void *bytes = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    vm.bytes = bytes == MAP_FAILED ? NULL : bytes;
    vm.flags = calloc(npages, 1);
    vm.dirty = calloc(npages, sizeof *vm.dirty);
    vm.nchunks = (uint32_t)((npages + EMU_CHUNK_PAGES - 1) / EMU_CHUNK_PAGES);
    vm.saved = calloc(vm.nchunks, sizeof *vm.saved);
    int complete = vm.bytes && vm.flags && vm.dirty && vm.saved;
    for (int order = 0; order < EMU_NORDERS; order++) {
        vm.code[order] = calloc(npages, sizeof *vm.code[order]);
        complete = complete && vm.code[order];
    }
    if (!complete) {
        free_vm(&vm);
        return -1;
    }
    m->vms[number] = vm;
    return 0;
}

uint64_t emu_memory_size(const emu_machine *m, uint32_t number)
{
    const emu_vm *vm = vm_at(m, number);
    return vm ? vm->size : 0;
}

const uint8_t *emu_memory(const emu_machine *m, uint32_t number)
{
    const emu_vm *vm = vm_at(m, number);
    return vm ? vm->bytes : NULL;
}

int emu_write(emu_machine *m, uint32_t number, uint64_t address, const uint8_t *bytes,
              uint64_t nbytes)
{
    emu_vm *vm = vm_at(m, number);
    if (!vm || address > vm->size || nbytes > vm->size - address)
        return -1;
    if (nbytes == 0)
        return 0;
    emu_touch(m, vm, UINT32_MAX, address, nbytes);
    memcpy(vm->bytes + address, bytes, nbytes);
    return 0;
}

void emu_mark_dirty(emu_vm *vm, uint64_t page)
{
    if (!(vm->flags[page] & EMU_DIRTY)) {
        vm->flags[page] |= EMU_DIRTY;
        vm->dirty[vm->ndirty++] = (uint32_t)page;
    }
}

void emu_note_reservation(emu_machine *m, const emu_vcpu *v)
{
    if (v->reserve_size == 0 || v->vm >= m->config.nvms)
        return;
    emu_vm *vm = &m->vms[v->vm];
    if (v->reserve_ea < vm->size)
        vm->flags[v->reserve_ea >> EMU_PAGE_SHIFT] |= EMU_RESERVED;
}

/* End the reservations of others in the granules of [address, address + nbytes), and note which of
 * its pages still hold one. */
static void break_reservations(emu_machine *m, emu_vm *vm, uint32_t self, uint64_t address,
                               uint64_t nbytes)
{
    uint64_t first = address / EMU_GRANULE, last = (address + nbytes - 1) / EMU_GRANULE;
    for (uint64_t page = address >> EMU_PAGE_SHIFT;
         page <= (address + nbytes - 1) >> EMU_PAGE_SHIFT; page++)
        vm->flags[page] &= (uint8_t)~EMU_RESERVED;
    for (uint32_t i = 0; i < m->config.nvcpus; i++) {
        emu_vcpu *v = emu_vcpu_at(m, i);
        if (v->reserve_size == 0 || v->vm >= m->config.nvms || &m->vms[v->vm] != vm)
            continue;
        uint64_t granule = v->reserve_ea / EMU_GRANULE;
        if (i != self && granule >= first && granule <= last)
            v->reserve_size = 0;
        else
            emu_note_reservation(m, v);
    }
}

void emu_touch(emu_machine *m, emu_vm *vm, uint32_t self, uint64_t address, uint64_t nbytes)
{
    uint8_t any = 0;
    for (uint64_t page = address >> EMU_PAGE_SHIFT;
         page <= (address + nbytes - 1) >> EMU_PAGE_SHIFT; page++) {
        any |= vm->flags[page];
        emu_mark_dirty(vm, page);
    }
    if (any & EMU_CODE)
        emu_forget_code(vm, address, nbytes);
    if (any & EMU_RESERVED)
        break_reservations(m, vm, self, address, nbytes);
}

int emu_breakpoint(emu_machine *m, uint32_t number, uint64_t address, int on)
{
    emu_vm *vm = vm_at(m, number);
    if (!vm || address >= vm->size || address % 4)
        return -1;
    if (!vm->breaks) {
        if (!on)
            return 0;
        vm->breaks = calloc(vm->size / 32, 1);
        if (!vm->breaks)
            return -1;
    }
    uint8_t bit = (uint8_t)(1u << (address / 4 % 8));
    uint8_t *byte = &vm->breaks[address / 32];
    int was = (*byte & bit) != 0;
    if (was == !!on)
        return 0;
    *byte ^= bit;
    vm->nbreaks += on ? 1u : -1u;
    emu_forget_code(vm, address, 4);
    return 0;
}

/* ---- counts and log --------------------------------------------------------------------------- */

void emu_did(emu_machine *m, uint32_t vcpu, uint32_t deed, uint64_t nia, uint64_t argument)
{
    uint64_t *count = m->counts[vcpu];
    count[deed]++;
    if (deed == EMU_DID_INTERRUPT)
        count[EMU_NDID + argument % (EMU_VECTORS * 0x20) / 0x20]++;
    if (m->log_size == 0)
        return;
    if (m->log_used == m->log_size) {
        m->log_lost++;
        return;
    }
    m->log[(m->log_first + m->log_used++) % m->log_size] = (emu_log_entry){
        .tb = emu_state(m)->tb, .nia = nia, .vcpu = vcpu, .deed = deed, .argument = argument};
}

uint64_t emu_count(const emu_machine *m, uint32_t vcpu, uint32_t deed, uint32_t vector)
{
    if (vcpu >= m->config.nvcpus || deed >= EMU_NDID || vector / 0x20 >= EMU_VECTORS)
        return 0;
    return m->counts[vcpu][deed == EMU_DID_INTERRUPT ? EMU_NDID + vector / 0x20 : deed];
}

int emu_log_size(emu_machine *m, uint32_t nentries)
{
    emu_log_entry *log = NULL;
    if (nentries && !(log = calloc(nentries, sizeof *log)))
        return -1;
    free(m->log);
    m->log = log;
    m->log_size = nentries;
    m->log_used = m->log_first = 0;
    m->log_lost = 0;
    return 0;
}

uint32_t emu_log_drain(emu_machine *m, emu_log_entry *out, uint32_t n)
{
    uint32_t moved = 0;
    for (; moved < n && m->log_used; moved++, m->log_used--) {
        out[moved] = m->log[m->log_first];
        m->log_first = (m->log_first + 1) % m->log_size;
    }
    return moved;
}

uint64_t emu_log_lost(const emu_machine *m)
{
    return m->log_lost;
}
