/* test_ops.c: the definitions against PyTorch's float64, in both precisions and one process (cases: ops_cases.c). */
#include "tests/ops_cases.c"

void ops64_cases(const char *ops_file, const char *stylegan_file);

int main(void)
{
    ops_cases("tests/golden/ops32.safetensors", "tests/golden/stylegan_ops32.safetensors");
    ops64_cases("tests/golden/ops64.safetensors", "tests/golden/stylegan_ops64.safetensors");
    return t_done();
}
