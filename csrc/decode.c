/* Words to records. A page of records is made at the first fetch from a guest page, a run of them
 * at the first arrival at it; what a store changes is forgotten at once (emu_touch). */
#include "emu.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    uint32_t match, mask;
    uint16_t row;
    uint8_t since, until;
} encodings[EMU_NVARIANTS] = {
#define ENCODING(variant, row, match, mask, since, until, mnemonic) \
    [EMU_V_##variant] = {match, mask, EMU_ROW_##row, since, until},
    EMU_ENCODINGS(ENCODING)
#undef ENCODING
};

static const uint8_t ends_run[EMU_NIDS] = {
#define ENDS(variant, row, flags, privilege, facility, ends) [EMU_V_##variant] = ends,
    EMU_VARIANTS(ENDS)
#undef ENDS
    [EMU_I_illegal] = 1,
};

static const uint8_t variant_flags[EMU_NVARIANTS] = {
#define FLAGS(variant, row, flags, privilege, facility, ends) [EMU_V_##variant] = flags,
    EMU_VARIANTS(FLAGS)
#undef FLAGS
};

int32_t emu_labels[EMU_NORDERS][EMU_NLABELS];

/* ---- word to variant -------------------------------------------------------------------------- */

#define LOW_BITS 11u               /* extended opcodes, OE and Rc lie in the last 11 bits */
#define NONE 0xffffu

/* By primary opcode and the last 11 bits: the first variant that may match; `alternative` of a
 * variant: the next one, for the few that differ in other bits. */
static uint16_t first_choice[64][1u << LOW_BITS];
static uint16_t alternative[EMU_NVARIANTS];

static void init_sequences(void);

void emu_decode_init(void)
{
    static int done;
    if (done)
        return;
    done = 1;
    memset(first_choice, 0xff, sizeof first_choice);
    memset(alternative, 0xff, sizeof alternative);
    const uint32_t low_mask = (1u << LOW_BITS) - 1;
    for (uint32_t n = EMU_NVARIANTS; n-- > 0;) {
        uint16_t *row = first_choice[encodings[n].match >> 26];
        uint32_t fixed = encodings[n].mask & low_mask;
        for (uint32_t low = 0; low <= low_mask; low++) {
            if ((low ^ encodings[n].match) & fixed)
                continue;
            if (row[low] != NONE)
                alternative[n] = row[low];
            row[low] = (uint16_t)n;
        }
    }
    init_sequences();
    emu_loop_big(NULL, NULL, 0);
    emu_loop_little(NULL, NULL, 0);
}

/* The id of a word: a variant that this host generation has, or an internal one. */
static uint16_t id_of(uint32_t generation, uint32_t w)
{
    for (uint16_t n = first_choice[w >> 26][w & ((1u << LOW_BITS) - 1)]; n != NONE;
         n = alternative[n])
        if ((w & encodings[n].mask) == encodings[n].match && generation >= encodings[n].since
            && generation <= encodings[n].until)
            return n;
#define ABSENT(mask, match, facility) \
    if ((w & (mask)) == (match)) \
        return EMU_I_##facility;
    EMU_ABSENT(ABSENT)
#undef ABSENT
    return EMU_I_illegal;
}

/* ---- variant to record ------------------------------------------------------------------------- */

/* A 32-bit mask of ones from bit `first` to bit `last` (0 = most significant), wrapping. */
static uint32_t mask32(uint32_t first, uint32_t last)
{
    uint32_t from = 0xffffffffu >> first, to = 0xffffffffu << (31 - last);
    return first <= last ? from & to : from | to;
}

/* The program priority that `or rx,rx,rx` sets; 0 = that is just a no-op. */
static uint8_t priority_of(unsigned x)
{
    static const uint8_t priorities[32] = {[31] = 1, [1] = 2, [6] = 3, [2] = 4, [5] = 5, [3] = 6, [7] = 7};
    return priorities[x];
}

static void fill_slots(emu_op *op, uint32_t row, uint32_t w)
{
    uint8_t wraps;
    op->a = op->b = op->c = op->d = 0;
    op->imm = (int32_t)w;
    switch (row) {
        EMU_FILL_SLOTS
    }
    /* What a body would have to compute each time. */
    switch (row) {
    case EMU_ROW_rlwinm:
    case EMU_ROW_rlwimi:
    case EMU_ROW_rlwnm:
        wraps = op->d > op->imm;
        op->imm = (int32_t)mask32(op->d, (uint32_t)op->imm);
        op->d = wraps;
        break;
    case EMU_ROW_or:
        if (op->a == op->b && op->a == op->c)
            op->d = priority_of(op->a);
        break;
    }
}

/* The near branch for a bc with these operands. */
static uint16_t near_way(const emu_op *op)
{
    static const uint16_t if_true[4] = {EMU_I_blt_near, EMU_I_bgt_near, EMU_I_beq_near, EMU_I_bc_near};
    static const uint16_t if_false[4] = {EMU_I_bge_near, EMU_I_ble_near, EMU_I_bne_near, EMU_I_bc_near};
    switch (op->a & 0x1e) {        /* BO without its last bit, which is a hint */
    case 0x0c: case 0x0e:
        return if_true[op->b & 3];
    case 0x04: case 0x06:
        return if_false[op->b & 3];
    case 0x10: case 0x18:
        return EMU_I_bdnz_near;
    case 0x12: case 0x1a:
        return EMU_I_bdz_near;
    }
    return EMU_I_bc_near;
}

/* The way to execute the record at `index` of its page: a quicker one, or its variant's. */
static uint16_t way_of(const emu_op *op, uint32_t index)
{
    if (op->id >= EMU_NVARIANTS)
        return op->id;
    int64_t target = (int64_t)index + op->imm / 4;
    int near = !(variant_flags[op->id] & EMU_AA) && target >= 0 && target < EMU_PAGE_OPS;
    int link = variant_flags[op->id] & EMU_LK;
    switch (op->id) {
    case EMU_V_cmpi:
        return op->d ? EMU_I_cmpdi : EMU_I_cmpwi;
    case EMU_V_cmp:
        return op->d ? EMU_I_cmpd : EMU_I_cmpw;
    case EMU_V_cmpli:
        return op->d ? EMU_I_cmpldi : EMU_I_cmplwi;
    case EMU_V_cmpl:
        return op->d ? EMU_I_cmpld : EMU_I_cmplw;
    case EMU_V_addi:
        return op->b == EMU_ZERO ? EMU_I_li : op->id;
    case EMU_V_addis:
        return op->b == EMU_ZERO ? EMU_I_lis : op->id;
    case EMU_V_or:
        return op->a == op->c && op->d == 0 ? EMU_I_mr : op->id;
    case EMU_V_ori:
        return op->a == op->b && op->imm == 0 ? EMU_I_nop : op->id;
    case EMU_V_rldicl:
        return op->c == 0 ? EMU_I_clrldi : op->id;
    case EMU_V_rlwinm:
        return op->d == 0 ? EMU_I_rlwinm_low : op->id;
    case EMU_V_mfspr:
        return op->imm == 8 ? EMU_I_mflr : op->imm == 9 ? EMU_I_mfctr : op->id;
    case EMU_V_mtspr:
        return op->imm == 8 ? EMU_I_mtlr : op->imm == 9 ? EMU_I_mtctr : op->id;
    }
    switch (encodings[op->id].row) {
    case EMU_ROW_b:
        return !near ? op->id : link ? EMU_I_bl_near : EMU_I_b_near;
    case EMU_ROW_bc:
        return near && !link ? near_way(op) : op->id;
    case EMU_ROW_bclr:
        return !link && (op->a & 0x14) == 0x14 ? EMU_I_blr : op->id;
    case EMU_ROW_bcctr:
        return !link && (op->a & 0x14) == 0x14 ? EMU_I_bctr : op->id;
    }
    return op->id;
}

static int ends(const emu_op *op)
{
    if (op->id == EMU_V_mtspr)     /* LR and CTR concern nobody but the bodies */
        return op->imm != 8 && op->imm != 9;
    return ends_run[op->id];
}

static void make_record(const emu_machine *m, const emu_vm *vm, int order, uint64_t address,
                        emu_op *op)
{
    uint32_t w = emu_word_at(vm, order, address);
    op->id = id_of(m->config.generation, w);
    if (op->id < EMU_NVARIANTS)
        fill_slots(op, encodings[op->id].row, w);
}

/* ---- sequences ----------------------------------------------------------------------------------- */

/* emu/isa/emit.py: the ways of each sequence, and which of them set the CR field that its near branch
 * tests; 0xff = its branch looks at CR, or it has none. */
static const struct {
    uint16_t way[EMU_SEQUENCE_MAX];
    uint8_t compares;
} sequences[EMU_NSEQUENCES] = {EMU_SEQUENCE_WAYS};

/* Sequences by the hash of their ways; 0 = none, else 1 + number. */
#define SLOTS 4096u
static uint16_t slots[SLOTS];

static uint64_t key_of(const uint16_t *way, unsigned length)
{
    uint64_t key = 0;
    for (unsigned i = 0; i < length; i++)
        key = key << 16 | (way[i] + 1u);
    return key;
}

static unsigned length_of(uint32_t number)
{
    unsigned length = 0;
    while (length < EMU_SEQUENCE_MAX && sequences[number].way[length] != EMU_I_undecoded)
        length++;
    return length;
}

static uint32_t slot_of(uint64_t key)
{
    return (uint32_t)(key * 0x9e3779b97f4a7c15u >> 40) % SLOTS;
}

static void init_sequences(void)
{
    _Static_assert(EMU_NSEQUENCES < SLOTS / 2, "the table of sequences has room");
    for (uint32_t n = 0; n < EMU_NSEQUENCES; n++) {
        uint32_t slot = slot_of(key_of(sequences[n].way, length_of(n)));
        while (slots[slot])
            slot = (slot + 1) % SLOTS;
        slots[slot] = (uint16_t)(n + 1);
    }
}

/* The field that a comparison or a record form sets. */
static unsigned compared_field(const emu_op *op)
{
    switch (op->id) {
    case EMU_V_cmpi:
    case EMU_V_cmp:
    case EMU_V_cmpli:
    case EMU_V_cmpl:
        return op->a;
    }
    return 0;
}

/* Its id's own label will not do: mtctr pays for what follows there, as all of mtspr. */
int32_t emu_alone(const emu_op *op, uint32_t index, int order)
{
    return emu_labels[order][way_of(op, index)];
}

/* The label for the record at `index`: of the longest sequence that begins there, else of its way. */
static int32_t code_of(const emu_vm *vm, int order, uint64_t page_address, const emu_op *page,
                       uint32_t index)
{
    uint16_t way[EMU_SEQUENCE_MAX];
    unsigned length = 0;
    for (; length < EMU_SEQUENCE_MAX && index + length < EMU_PAGE_OPS; length++) {
        uint64_t address = page_address + 4 * (index + length);
        way[length] = vm->breaks && vm->breaks[address / 32] >> (address / 4 % 8) & 1
                          ? EMU_I_breakpoint
                          : way_of(&page[index + length], index + length);
        if (way[length] == EMU_I_undecoded)
            break;
    }
    for (; length > 1; length--) {
        uint64_t key = key_of(way, length);
        for (uint32_t slot = slot_of(key); slots[slot]; slot = (slot + 1) % SLOTS) {
            uint32_t n = slots[slot] - 1u;
            if (length_of(n) != length || key_of(sequences[n].way, length) != key)
                continue;
            const emu_op *last = &page[index + length - 1];
            uint8_t compares = sequences[n].compares;
            if (compares == 0xff || compared_field(&page[index + compares]) == last->b / 4)
                return emu_labels[order][EMU_NIDS + n];
        }
    }
    return emu_labels[order][way[0]];
}

/* ---- pages -------------------------------------------------------------------------------------- */

uint32_t emu_word_at(const emu_vm *vm, int order, uint64_t address)
{
    uint32_t w;
    memcpy(&w, vm->bytes + address, 4);
    return order == EMU_LITTLE ? EMU_FROM_LITTLE32(w) : EMU_FROM_BIG32(w);
}

/* Forget a record, and sequences that it is part of; the records before it stand alone then. */
static void forget(emu_op *page, uint32_t index, int order)
{
    if (page[index].id == EMU_I_undecoded)
        return;
    page[index].id = EMU_I_undecoded;
    page[index].code = emu_labels[order][EMU_I_undecoded];
    for (uint32_t i = index; i-- > 0 && i + EMU_SEQUENCE_MAX > index;)
        if (page[i].id != EMU_I_undecoded && page[i].code != emu_labels[order][EMU_I_breakpoint])
            page[i].code = emu_alone(&page[i], i, order);
}

emu_op *emu_code_page(emu_machine *m, emu_vm *vm, int order, uint64_t address)
{
    if (address >= vm->size)
        return NULL;
    uint64_t number = address >> EMU_PAGE_SHIFT;
    if (vm->code[order][number])
        return vm->code[order][number];
    if (vm->ncode >= EMU_MAX_CODE_PAGES)
        emu_drop_code(vm);
    emu_op *page = calloc(EMU_PAGE_OPS + 1, sizeof *page);
    if (!page)
        return NULL;
    for (uint32_t i = 0; i < EMU_PAGE_OPS; i++) {
        page[i].id = EMU_I_undecoded;
        page[i].code = emu_labels[order][EMU_I_undecoded];
    }
    page[EMU_PAGE_OPS].id = EMU_I_page_end;
    page[EMU_PAGE_OPS].code = emu_labels[order][EMU_I_page_end];
    vm->code[order][number] = page;
    vm->ncode++;
    vm->flags[number] |= EMU_CODE;
    return page;
}

void emu_decode_run(emu_machine *m, emu_vm *vm, int order, uint64_t page_address, emu_op *page,
                    uint32_t index)
{
    uint32_t end = index;
    do {
        make_record(m, vm, order, page_address + 4 * end, &page[end]);
        end++;
    } while (end < EMU_PAGE_OPS && !ends(&page[end - 1]) && page[end].id == EMU_I_undecoded);
    uint16_t old = page[index].blen;
    for (uint32_t i = end; i-- > index;)
        page[i].blen = (uint16_t)(ends(&page[i]) ? 1 : page[i + 1].blen + 1);
    /* A sequence may begin up to so many records before the first that is new. */
    uint32_t first = index < EMU_SEQUENCE_MAX - 1 ? 0 : index - (EMU_SEQUENCE_MAX - 1);
    for (uint32_t i = first; i < end; i++)
        if (page[i].id != EMU_I_undecoded)
            page[i].code = code_of(vm, order, page_address, page, i);
    /* Those before it in its run: their blen was one more than the next one's. */
    for (uint32_t i = index; i-- > 0 && old != 0 && page[i].blen == old + 1;) {
        old = page[i].blen;
        page[i].blen = (uint16_t)(page[i + 1].blen + 1);
    }
}

void emu_forget_code(emu_vm *vm, uint64_t address, uint64_t nbytes)
{
    for (int order = 0; order < EMU_NORDERS; order++) {
        for (uint64_t a = address & ~3ull; a < address + nbytes; a += 4) {
            emu_op *page = vm->code[order][a >> EMU_PAGE_SHIFT];
            if (page)
                forget(page, (uint32_t)(a % EMU_PAGE / 4), order);
            else
                a |= EMU_PAGE - 4;
        }
    }
}

void emu_forget_changed_code(emu_vm *vm, uint32_t number, const uint8_t *bytes)
{
    static const uint8_t zeros[EMU_PAGE];
    uint64_t start = (uint64_t)number * EMU_PAGE;
    if (!bytes)
        bytes = zeros;
    for (uint64_t i = 0; i < EMU_PAGE; i += 4)
        if (memcmp(vm->bytes + start + i, bytes + i, 4) != 0)
            emu_forget_code(vm, start + i, 4);
}

void emu_drop_code(emu_vm *vm)
{
    for (int order = 0; order < EMU_NORDERS; order++) {
        for (uint64_t i = 0; vm->code[order] && i < vm->size / EMU_PAGE; i++) {
            free(vm->code[order][i]);
            vm->code[order][i] = NULL;
        }
    }
    for (uint64_t i = 0; vm->flags && i < vm->size / EMU_PAGE; i++)
        vm->flags[i] &= (uint8_t)~EMU_CODE;
    vm->ncode = 0;
}

const char *emu_way(emu_machine *m, uint32_t number, uint64_t address, int little)
{
    static const char *const names[EMU_NIDS] = {
#define VARIANT(variant, row, flags, privilege, facility, ends) [EMU_V_##variant] = #variant,
        EMU_VARIANTS(VARIANT)
#undef VARIANT
#define INTERNAL(name) [EMU_I_##name] = #name,
        EMU_STATES(INTERNAL) EMU_STRAIGHT(INTERNAL) EMU_NEAR(INTERNAL) EMU_FAR(INTERNAL)
#undef INTERNAL
    };
    if (number >= m->config.nvms || address >= m->vms[number].size || address % 4)
        return "";
    emu_op op = {0};
    make_record(m, &m->vms[number], little ? EMU_LITTLE : EMU_BIG, address, &op);
    return names[way_of(&op, (uint32_t)(address % EMU_PAGE / 4))];
}
