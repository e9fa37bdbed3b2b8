/* CRC-32 by table and bit by bit, CRC-16. */
#include "freestanding.h"

static u32 table[256];
static const char text[] = "123456789";

static u32 slow(const u8 *data, u64 size)
{
    u32 crc = ~0u;
    for (u64 i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
    }
    return ~crc;
}

static u32 fast(const u8 *data, u64 size)
{
    u32 crc = ~0u;
    while (size--)
        crc = crc >> 8 ^ table[(crc ^ *data++) & 0xff];
    return ~crc;
}

static u16 ccitt(const u8 *data, u64 size)
{
    u16 crc = 0xffff;
    while (size--) {
        crc ^= (u16)(*data++ << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (u16)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

int main(void)
{
    for (u32 i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
    }
    const u8 *data = (const u8 *)text;
    return !(slow(data, 9) == 0xcbf43926u && fast(data, 9) == 0xcbf43926u && ccitt(data, 9) == 0x29b1);
}
