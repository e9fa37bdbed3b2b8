/* What every program here may use: types, and the functions that gcc itself calls. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long s64;

void *memset(void *to, int value, u64 count)
{
    u8 *byte = to;
    while (count--)
        *byte++ = (u8)value;
    return to;
}

void *memcpy(void *to, const void *from, u64 count)
{
    u8 *out = to;
    const u8 *in = from;
    while (count--)
        *out++ = *in++;
    return to;
}

int main(void);

/* The guest's entry: a real one sets up r1 and r2 first. */
int _start(void)
{
    return main();
}
