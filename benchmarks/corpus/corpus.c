/* What the interpreter's sequences are chosen from: loops of many kinds, as compilers see them. Only
 * compiled, never run; none of it is a benchmark, so that the benchmarks are a fair test. */
#include <stddef.h>
#include <stdint.h>

typedef struct tree { struct tree *left, *right; uint64_t key; int32_t balance; uint16_t tag; } tree;
typedef struct item { struct item *next; const char *name; uint32_t hash, value; } item;
typedef struct { uint8_t *bytes; size_t used, size; int bits; uint64_t hold; } stream;
typedef struct { int32_t re, im; } complex32;
typedef struct { int16_t x, y; uint8_t kind, flags; uint32_t next; int64_t weight; } edge;

size_t text_length(const char *s);
size_t text_length(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

int text_compare(const char *a, const char *b);
int text_compare(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}

const char *text_find(const char *s, const char *what, size_t n);
const char *text_find(const char *s, const char *what, size_t n)
{
    for (; *s; s++) {
        size_t i = 0;
        while (i < n && s[i] == what[i])
            i++;
        if (i == n)
            return s;
    }
    return NULL;
}

void bytes_set(uint8_t *p, uint8_t value, size_t n);
void bytes_set(uint8_t *p, uint8_t value, size_t n)
{
    while (n--)
        *p++ = value;
}

void bytes_move(uint8_t *to, const uint8_t *from, size_t n);
void bytes_move(uint8_t *to, const uint8_t *from, size_t n)
{
    if (to < from)
        for (size_t i = 0; i < n; i++)
            to[i] = from[i];
    else
        while (n--)
            to[n] = from[n];
}

int bytes_differ(const uint8_t *a, const uint8_t *b, size_t n);
int bytes_differ(const uint8_t *a, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

uint32_t hash_of(const char *s);
uint32_t hash_of(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 16777619u;
    return h;
}

item *table_find(item **table, uint32_t mask, const char *name);
item *table_find(item **table, uint32_t mask, const char *name)
{
    uint32_t h = hash_of(name);
    for (item *i = table[h & mask]; i; i = i->next)
        if (i->hash == h && text_compare(i->name, name) == 0)
            return i;
    return NULL;
}

uint64_t list_sum(const item *i, uint32_t least);
uint64_t list_sum(const item *i, uint32_t least)
{
    uint64_t sum = 0;
    for (; i; i = i->next)
        if (i->value >= least)
            sum += i->value;
    return sum;
}

item *list_insert(item *head, item *new_item);
item *list_insert(item *head, item *new_item)
{
    item **at = &head;
    while (*at && (*at)->value < new_item->value)
        at = &(*at)->next;
    new_item->next = *at;
    *at = new_item;
    return head;
}

tree *tree_find(tree *t, uint64_t key);
tree *tree_find(tree *t, uint64_t key)
{
    while (t && t->key != key)
        t = key < t->key ? t->left : t->right;
    return t;
}

int tree_depth(const tree *t);
int tree_depth(const tree *t)
{
    if (!t)
        return 0;
    int left = tree_depth(t->left), right = tree_depth(t->right);
    return 1 + (left > right ? left : right);
}

uint64_t tree_walk(const tree *t, uint64_t (*visit)(uint64_t, uint64_t), uint64_t sum);
uint64_t tree_walk(const tree *t, uint64_t (*visit)(uint64_t, uint64_t), uint64_t sum)
{
    if (t->left)
        sum = tree_walk(t->left, visit, sum);
    sum = visit(sum, t->key);
    return t->right ? tree_walk(t->right, visit, sum) : sum;
}

void heap_down(int64_t *heap, size_t n, size_t i);
void heap_down(int64_t *heap, size_t n, size_t i)
{
    int64_t value = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1] > heap[child])
            child++;
        if (heap[child] <= value)
            break;
        heap[i] = heap[child];
    }
    heap[i] = value;
}

void insertion(int32_t *a, int n);
void insertion(int32_t *a, int n)
{
    for (int i = 1; i < n; i++) {
        int32_t x = a[i];
        int k = i;
        for (; k > 0 && a[k - 1] > x; k--)
            a[k] = a[k - 1];
        a[k] = x;
    }
}

void merge(uint32_t *to, const uint32_t *a, size_t na, const uint32_t *b, size_t nb);
void merge(uint32_t *to, const uint32_t *a, size_t na, const uint32_t *b, size_t nb)
{
    while (na && nb)
        if (*a <= *b)
            *to++ = *a++, na--;
        else
            *to++ = *b++, nb--;
    while (na--)
        *to++ = *a++;
    while (nb--)
        *to++ = *b++;
}

void radix(uint64_t *to, const uint64_t *from, size_t n, int shift);
void radix(uint64_t *to, const uint64_t *from, size_t n, int shift)
{
    size_t count[256] = {0}, sum = 0;
    for (size_t i = 0; i < n; i++)
        count[from[i] >> shift & 255]++;
    for (int i = 0; i < 256; i++) {
        size_t c = count[i];
        count[i] = sum;
        sum += c;
    }
    for (size_t i = 0; i < n; i++)
        to[count[from[i] >> shift & 255]++] = from[i];
}

int64_t binary_search(const int64_t *a, int64_t n, int64_t x);
int64_t binary_search(const int64_t *a, int64_t n, int64_t x)
{
    int64_t low = 0, high = n - 1;
    while (low <= high) {
        int64_t middle = (low + high) / 2;
        if (a[middle] == x)
            return middle;
        if (a[middle] < x)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return -1;
}

void sha_rounds(uint32_t *h, const uint32_t *w, const uint32_t *k);
void sha_rounds(uint32_t *s, const uint32_t *w, const uint32_t *k)
{
    uint32_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = h + (ROTATE(e, 6) ^ ROTATE(e, 11) ^ ROTATE(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
        uint32_t t2 = (ROTATE(a, 2) ^ ROTATE(a, 13) ^ ROTATE(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    s[0] += a, s[1] += b, s[2] += c, s[3] += d, s[4] += e, s[5] += f, s[6] += g, s[7] += h;
}

uint32_t adler(const uint8_t *p, size_t n);
uint32_t adler(const uint8_t *p, size_t n)
{
    uint32_t a = 1, b = 0;
    while (n--) {
        a += *p++;
        if (a >= 65521)
            a -= 65521;
        b += a;
        if (b >= 65521)
            b -= 65521;
    }
    return b << 16 | a;
}

void stream_cipher(uint8_t *s, uint8_t *data, size_t n);
void stream_cipher(uint8_t *s, uint8_t *data, size_t n)
{
    uint8_t i = 0, j = 0;
    while (n--) {
        uint8_t t = s[++i];
        j = (uint8_t)(j + t);
        s[i] = s[j];
        s[j] = t;
        *data++ ^= s[(uint8_t)(s[i] + t)];
    }
}

size_t base64(char *out, const uint8_t *in, size_t n);
size_t base64(char *out, const uint8_t *in, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *o = out;
    for (; n >= 3; n -= 3, in += 3) {
        uint32_t x = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *o++ = digits[x >> 18];
        *o++ = digits[x >> 12 & 63];
        *o++ = digits[x >> 6 & 63];
        *o++ = digits[x & 63];
    }
    return (size_t)(o - out);
}

size_t unpack(uint8_t *out, const uint8_t *in, size_t n);
size_t unpack(uint8_t *out, const uint8_t *in, size_t n)
{
    uint8_t *o = out;
    const uint8_t *end = in + n;
    while (in < end) {
        unsigned token = *in++;
        for (unsigned literals = token >> 4; literals--;)
            *o++ = *in++;
        if (in >= end)
            break;
        const uint8_t *from = o - (in[0] | in[1] << 8);
        in += 2;
        for (unsigned length = (token & 15) + 4; length--;)
            *o++ = *from++;
    }
    return (size_t)(o - out);
}

unsigned stream_get(stream *s, int n);
unsigned stream_get(stream *s, int n)
{
    while (s->bits < n) {
        s->hold |= (uint64_t)(s->used < s->size ? s->bytes[s->used++] : 0) << s->bits;
        s->bits += 8;
    }
    unsigned value = (unsigned)(s->hold & ((1u << n) - 1));
    s->hold >>= n;
    s->bits -= n;
    return value;
}

void number_text(char *out, int64_t value, unsigned base, int width);
void number_text(char *out, int64_t value, unsigned base, int width)
{
    char digits[66];
    int n = 0;
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do
        digits[n++] = "0123456789abcdef"[left % base];
    while (left /= base);
    if (value < 0)
        digits[n++] = '-';
    while (n < width)
        digits[n++] = ' ';
    while (n)
        *out++ = digits[--n];
    *out = 0;
}

int64_t text_number(const char **at);
int64_t text_number(const char **at)
{
    const char *s = *at;
    while (*s == ' ' || (*s >= '\t' && *s <= '\r'))
        s++;
    int negative = *s == '-';
    if (*s == '-' || *s == '+')
        s++;
    int64_t value = 0;
    for (; *s >= '0' && *s <= '9'; s++)
        value = value * 10 + (*s - '0');
    *at = s;
    return negative ? -value : value;
}

int tokens(const char *s, uint8_t *kinds, int most);
int tokens(const char *s, uint8_t *kinds, int most)
{
    int n = 0;
    while (*s && n < most) {
        char c = *s;
        if (c == ' ' || c == '\n') {
            s++;
            continue;
        }
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_') {
            do
                c = *++s;
            while ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9'));
            kinds[n++] = 1;
        } else if (c >= '0' && c <= '9') {
            do
                c = *++s;
            while (c >= '0' && c <= '9');
            kinds[n++] = 2;
        } else if (c == '"') {
            for (s++; *s && *s != '"'; s++)
                if (*s == '\\' && s[1])
                    s++;
            s += *s == '"';
            kinds[n++] = 3;
        } else {
            kinds[n++] = (uint8_t)c;
            s++;
        }
    }
    return n;
}

int64_t machine(const uint8_t *code, int64_t *stack);
int64_t machine(const uint8_t *code, int64_t *stack)
{
    int64_t *top = stack;
    for (;;)
        switch (*code++) {
        case 0: *++top = *code++; break;
        case 1: top--; *top += top[1]; break;
        case 2: top--; *top -= top[1]; break;
        case 3: top--; *top *= top[1]; break;
        case 4: top--; *top = *top < top[1]; break;
        case 5: *top = -*top; break;
        case 6: code += (int8_t)*code; break;
        case 7: code += *top-- ? 1 : (int8_t)*code; break;
        case 8: top++; *top = top[-1]; break;
        case 9: return *top;
        default: top--; break;
        }
}

void big_multiply(uint64_t *to, const uint64_t *a, size_t na, const uint64_t *b, size_t nb);
void big_multiply(uint64_t *to, const uint64_t *a, size_t na, const uint64_t *b, size_t nb)
{
    for (size_t i = 0; i < na; i++) {
        uint64_t carry = 0;
        for (size_t k = 0; k < nb; k++) {
            unsigned __int128 t = (unsigned __int128)a[i] * b[k] + to[i + k] + carry;
            to[i + k] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
        to[i + nb] = carry;
    }
}

uint64_t big_add(uint64_t *to, const uint64_t *a, const uint64_t *b, size_t n);
uint64_t big_add(uint64_t *to, const uint64_t *a, const uint64_t *b, size_t n)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned __int128 t = (unsigned __int128)a[i] + b[i] + carry;
        to[i] = (uint64_t)t;
        carry = (uint64_t)(t >> 64);
    }
    return carry;
}

uint64_t power(uint64_t x, uint64_t n, uint64_t modulus);
uint64_t power(uint64_t x, uint64_t n, uint64_t modulus)
{
    uint64_t r = 1;
    for (; n; n >>= 1) {
        if (n & 1)
            r = r * x % modulus;
        x = x * x % modulus;
    }
    return r;
}

uint32_t divisor(uint32_t a, uint32_t b);
uint32_t divisor(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

void life(uint8_t *to, const uint8_t *from, int width, int height);
void life(uint8_t *to, const uint8_t *from, int width, int height)
{
    for (int y = 1; y < height - 1; y++)
        for (int x = 1; x < width - 1; x++) {
            const uint8_t *p = from + y * width + x;
            int n = p[-width - 1] + p[-width] + p[-width + 1] + p[-1] + p[1] + p[width - 1] + p[width] + p[width + 1];
            to[y * width + x] = n == 3 || (n == 2 && *p);
        }
}

int queens(int n, uint32_t rows, uint32_t left, uint32_t right);
int queens(int n, uint32_t rows, uint32_t left, uint32_t right)
{
    uint32_t all = (1u << n) - 1, free = all & ~(rows | left | right);
    int found = rows == all;
    while (free) {
        uint32_t bit = free & -free;
        free ^= bit;
        found += queens(n, rows | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return found;
}

int distance(const char *a, int na, const char *b, int nb, int *row);
int distance(const char *a, int na, const char *b, int nb, int *row)
{
    for (int k = 0; k <= nb; k++)
        row[k] = k;
    for (int i = 1; i <= na; i++) {
        int corner = row[0];
        row[0] = i;
        for (int k = 1; k <= nb; k++) {
            int above = row[k];
            int best = corner + (a[i - 1] != b[k - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[k - 1] + 1 < best)
                best = row[k - 1] + 1;
            corner = above;
            row[k] = best;
        }
    }
    return row[nb];
}

void paths(int64_t *cost, const edge *edges, const uint32_t *first, int n, uint8_t *done);
void paths(int64_t *cost, const edge *edges, const uint32_t *first, int n, uint8_t *done)
{
    for (;;) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (!done[i] && cost[i] >= 0 && (best < 0 || cost[i] < cost[best]))
                best = i;
        if (best < 0)
            return;
        done[best] = 1;
        for (uint32_t e = first[best]; e; e = edges[e].next) {
            int64_t through = cost[best] + edges[e].weight;
            if (cost[edges[e].y] < 0 || through < cost[edges[e].y])
                cost[edges[e].y] = through;
        }
    }
}

void fourier(complex32 *a, const complex32 *roots, int n);
void fourier(complex32 *a, const complex32 *roots, int n)
{
    for (int half = 1, step = n / 2; half < n; half *= 2, step /= 2)
        for (int i = 0; i < n; i += 2 * half)
            for (int k = 0; k < half; k++) {
                complex32 w = roots[k * step], *p = &a[i + k], *q = p + half;
                int32_t re = (int32_t)(((int64_t)w.re * q->re - (int64_t)w.im * q->im) >> 15);
                int32_t im = (int32_t)(((int64_t)w.re * q->im + (int64_t)w.im * q->re) >> 15);
                *q = (complex32){p->re - re, p->im - im};
                *p = (complex32){p->re + re, p->im + im};
            }
}

int64_t dot16(const int16_t *a, const int16_t *b, size_t n);
int64_t dot16(const int16_t *a, const int16_t *b, size_t n)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

void blur(uint32_t *to, const uint32_t *from, int n);
void blur(uint32_t *to, const uint32_t *from, int n)
{
    for (int i = 1; i < n - 1; i++)
        to[i] = (from[i - 1] + 2 * from[i] + from[i + 1]) >> 2;
}

void prefix(uint64_t *a, size_t n);
void prefix(uint64_t *a, size_t n)
{
    for (size_t i = 1; i < n; i++)
        a[i] += a[i - 1];
}

void reverse(uint64_t *a, size_t n);
void reverse(uint64_t *a, size_t n)
{
    for (size_t i = 0, k = n; i + 1 < k; i++) {
        uint64_t t = a[i];
        a[i] = a[--k];
        a[k] = t;
    }
}

void transpose(int64_t *a, int n);
void transpose(int64_t *a, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++) {
            int64_t t = a[i * n + k];
            a[i * n + k] = a[k * n + i];
            a[k * n + i] = t;
        }
}

int64_t largest(const int64_t *a, size_t n, size_t *where);
int64_t largest(const int64_t *a, size_t n, size_t *where)
{
    int64_t best = a[0];
    *where = 0;
    for (size_t i = 1; i < n; i++)
        if (a[i] > best)
            best = a[i], *where = i;
    return best;
}

int bits_set(const uint64_t *map, size_t n);
int bits_set(const uint64_t *map, size_t n)
{
    int count = 0;
    for (size_t i = 0; i < n; i++)
        for (uint64_t x = map[i]; x; x &= x - 1)
            count++;
    return count;
}

void map_fill(uint8_t *map, uint32_t first, uint32_t last);
void map_fill(uint8_t *map, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++)
        map[i >> 3] |= (uint8_t)(1u << (i & 7));
}

uint64_t xorshift(uint64_t *state, int n);
uint64_t xorshift(uint64_t *state, int n)
{
    uint64_t x = *state, sum = 0;
    while (n--) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        sum += x * 0x2545f4914f6cdd1du;
    }
    *state = x;
    return sum;
}

uint64_t root(uint64_t x);
uint64_t root(uint64_t x)
{
    uint64_t r = 0, bit = 1ull << 62;
    while (bit > x)
        bit >>= 2;
    for (; bit; bit >>= 2) {
        if (x >= r + bit) {
            x -= r + bit;
            r = (r >> 1) + bit;
        } else {
            r >>= 1;
        }
    }
    return r;
}

int matches(const char *pattern, const char *text);
int matches(const char *pattern, const char *text)
{
    for (; *pattern; pattern++, text++) {
        if (*pattern == '*') {
            while (*text)
                if (matches(pattern + 1, text++))
                    return 1;
            return matches(pattern + 1, text);
        }
        if (*text == 0 || (*pattern != '?' && *pattern != *text))
            return 0;
    }
    return *text == 0;
}

void permute(uint8_t *a, int n, int k, void (*use)(const uint8_t *, int));
void permute(uint8_t *a, int n, int k, void (*use)(const uint8_t *, int))
{
    if (k == n) {
        use(a, n);
        return;
    }
    for (int i = k; i < n; i++) {
        uint8_t t = a[k];
        a[k] = a[i], a[i] = t;
        permute(a, n, k + 1, use);
        t = a[k];
        a[k] = a[i], a[i] = t;
    }
}

int64_t towers(int n, int from, int to);
int64_t towers(int n, int from, int to)
{
    return n == 0 ? 0 : towers(n - 1, from, 6 - from - to) + 1 + towers(n - 1, 6 - from - to, to);
}

uint32_t steps(uint32_t n);
uint32_t steps(uint32_t n)
{
    uint32_t count = 0;
    for (; n != 1; count++)
        n = n & 1 ? 3 * n + 1 : n / 2;
    return count;
}

void ring_put(volatile uint64_t *ring, uint64_t *head, uint64_t mask, const uint64_t *from, int n);
void ring_put(volatile uint64_t *ring, uint64_t *head, uint64_t mask, const uint64_t *from, int n)
{
    uint64_t h = *head;
    for (int i = 0; i < n; i++)
        ring[h++ & mask] = from[i];
    *head = h;
}

int lines(const char *s, const char **starts, int most);
int lines(const char *s, const char **starts, int most)
{
    int n = 0;
    starts[n++] = s;
    for (; *s && n < most; s++)
        if (*s == '\n')
            starts[n++] = s + 1;
    return n;
}

void swap_records(edge *a, edge *b, int n);
void swap_records(edge *a, edge *b, int n)
{
    for (int i = 0; i < n; i++) {
        edge t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

int64_t edges_total(const edge *e, int n, uint8_t kind);
int64_t edges_total(const edge *e, int n, uint8_t kind)
{
    int64_t total = 0;
    for (int i = 0; i < n; i++)
        if (e[i].kind == kind && !(e[i].flags & 4))
            total += e[i].weight * (e[i].x - e[i].y);
    return total;
}
