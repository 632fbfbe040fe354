/* test_ops.c: the definitions and the row made of them against PyTorch's float64, in both precisions and one process. */
#include "nn/base.h"
#include "tests/t.h"

#define FLOAT_GOLDENS  "tests/golden/ops32.safetensors", "tests/golden/stylegan_ops32.safetensors"
#define DOUBLE_GOLDENS "tests/golden/ops64.safetensors", "tests/golden/stylegan_ops64.safetensors"

void ops_cases(const char *ops_file, const char *stylegan_file);       /* ops_cases.c, in float */
void ops64_cases(const char *ops_file, const char *stylegan_file);     /* the same, in double */
void row_cases(const char *ops_file, const char *stylegan_file);       /* row_cases.c */
void row64_cases(const char *ops_file, const char *stylegan_file);

int main(void)
{
    ops_cases(FLOAT_GOLDENS);
    row_cases(FLOAT_GOLDENS);
    ops64_cases(DOUBLE_GOLDENS);
    row64_cases(DOUBLE_GOLDENS);
    return t_done();
}
