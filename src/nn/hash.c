/* hash.c: SHA-256.  libcrypto's EVP calls fail only for want of memory, and only when a context is made. */
#include "nn/hash.h"

#include <openssl/evp.h>

struct nn_hash { EVP_MD_CTX *ctx; };

nn_hash *nn_hash_open(nn_err *err)
{
    nn_hash *h = nn_alloc(sizeof *h, "SHA-256", err);
    if (!h) return NULL;
    h->ctx = EVP_MD_CTX_new();
    if (h->ctx && EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) == 1) return h;
    nn_hash_close(h, NULL);
    nn_fail(err, NN_ENOMEM, "SHA-256: libcrypto could not make a context");
    return NULL;
}

void nn_hash_add(nn_hash *h, const void *data, size_t size)
{
    NN_ASSERT(EVP_DigestUpdate(h->ctx, data, size) == 1);
}

void nn_hash_close(nn_hash *h, char hex[NN_HASH_HEX])
{
    if (!h) return;
    if (hex) {
        unsigned char digest[32];
        NN_ASSERT(EVP_DigestFinal_ex(h->ctx, digest, NULL) == 1);
        for (int i = 0; i < 32; i++) {
            hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
            hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
        }
        hex[64] = '\0';
    }
    EVP_MD_CTX_free(h->ctx);
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
