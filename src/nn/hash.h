/* hash.h: SHA-256 through libcrypto. */
#ifndef NN_HASH_H
#define NN_HASH_H

#include "nn/base.h"

enum { NN_HASH_HEX = 65 };                     /* 64 hex digits and the terminator */
typedef struct nn_hash nn_hash;

nn_hash  *nn_hash_open(nn_err *err);           /* NULL: NN_ENOMEM */
void      nn_hash_add(nn_hash *h, const void *data, size_t size);
void      nn_hash_close(nn_hash *h, char hex[NN_HASH_HEX]);     /* writes the digest, frees; hex may be NULL */
nn_status nn_hash_once(const void *data, size_t size, char hex[NN_HASH_HEX], nn_err *err);

#endif
