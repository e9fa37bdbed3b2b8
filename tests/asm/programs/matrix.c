/* Integer matrices: nested loops, unrolling, initialised and zeroed arrays. */
#include "freestanding.h"

enum { N = 12 };

struct matrix {
    s64 cell[N][N];
};

static struct matrix left, right;
struct matrix product;
int weights[N] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};

static struct matrix transpose(struct matrix m)
{
    struct matrix result;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            result.cell[j][i] = m.cell[i][j];
    return result;
}

static void multiply(struct matrix *out, const struct matrix *a, const struct matrix *b)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            s64 sum = 0;
            for (int k = 0; k < N; k++)
                sum += a->cell[i][k] * b->cell[k][j];
            out->cell[i][j] = sum;
        }
}

int main(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            left.cell[i][j] = weights[i] * weights[j];
            right.cell[i][j] = i == j;
        }
    multiply(&product, &left, &right);
    struct matrix turned = transpose(product);
    s64 trace = 0;
    for (int i = 0; i < N; i++)
        trace += turned.cell[i][i];
    return trace != 276;
}
