/* Any bytes as JSON; what is accepted is written as a line that reads back equal. */
#include <string.h>

#include "nn/json.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nn_err err = { 0 };
    json_t *v = nn_json_parse((const char *)data, size, "fuzz", &err);
    fuzz_check(v ? NN_OK : err.status, &err);
    if (!v) return 0;
    char *line = nn_json_line(v, NULL);
    NN_ASSERT(line && !strchr(line, '\n'));
    json_t *back = nn_json_parse(line, strlen(line), "again", NULL);
    NN_ASSERT(back && json_equal(v, back));
    json_decref(back);
    nn_free(line);
    json_decref(v);
    return 0;
}
