/* hash.c: SHA-256 by libcrypto's functions of that name, which use the processor's instructions and allocate nothing.  They are older than
 * the EVP calls that deprecate them; those load providers when first used, which takes 4,800 allocations, and in OpenSSL 3.0 reads
 * through a null pointer when the eighth of them fails. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "nn/hash.h"

#include <openssl/sha.h>

struct nn_hash { SHA256_CTX state; };

nn_hash *nn_hash_open(nn_err *err)
{
    nn_hash *h = nn_alloc(sizeof *h, "SHA-256", err);
    if (h) SHA256_Init(&h->state);
    return h;
}

void nn_hash_add(nn_hash *h, const void *data, size_t size) { SHA256_Update(&h->state, data, size); }

void nn_hash_close(nn_hash *h, char hex[NN_HASH_HEX])
{
    if (!h) return;
    if (hex) {
        unsigned char digest[SHA256_DIGEST_LENGTH];
        SHA256_Final(digest, &h->state);
        for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) {
            hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
            hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
        }
        hex[64] = '\0';
    }
    nn_free(h);
}

nn_status nn_hash_once(const void *data, size_t size, char hex[NN_HASH_HEX], nn_err *err)
{
    nn_hash *h = nn_hash_open(err);
    if (!h) return NN_ENOMEM;
    nn_hash_add(h, data, size);
    nn_hash_close(h, hex);
    return NN_OK;
}
