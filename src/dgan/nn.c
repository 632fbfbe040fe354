/* nn.c: errors at the border, versions, kernels. */
#include "dgan/handles.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert((int)DGAN_EIO == NN_EIO && (int)DGAN_EFORMAT == NN_EFORMAT && (int)DGAN_ESHAPE == NN_ESHAPE && (int)DGAN_ENOMEM == NN_ENOMEM
               && (int)DGAN_EINVAL == NN_EINVAL && (int)DGAN_EMISMATCH == NN_EMISMATCH && (int)DGAN_EEXISTS == NN_EEXISTS
               && (int)DGAN_ECANCEL == NN_ECANCEL, "the public status numbers are ours");
_Static_assert(sizeof((dgan_error *)0)->message == sizeof((nn_err *)0)->msg, "messages fit");

_Static_assert(sizeof(dgan_draw) == offsetof(dgan_draw, class_id) + sizeof(int)
               && sizeof(dgan_train_options) == offsetof(dgan_train_options, replace) + sizeof(int64_t)
               && sizeof(dgan_stream_options) == offsetof(dgan_stream_options, draw) + sizeof(void *), "no padding at the end (dgan_take)");

int dgan_give(dgan_error *err, const nn_err *own)
{
    if (err && err->status == DGAN_OK && own->status != NN_OK) {
        err->status = (int)own->status;
        memcpy(err->message, own->msg, sizeof err->message);
    }
    return (int)own->status;
}

int dgan_refuse(dgan_error *err, const char *fmt, ...)
{
    if (!err) return DGAN_EINVAL;
    if (err->status != DGAN_OK) return err->status;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, args);
    va_end(args);
    return err->status = DGAN_EINVAL;
}

int dgan_check_process(pid_t process, const char *handle, dgan_error *err)
{
    const pid_t here = getpid();
    if (process == here) return DGAN_OK;
    return dgan_refuse(err, "%s: opened by process %ld, used by its fork %ld; start workers by exec or spawn", handle, (long)process, (long)here);
}

int dgan_take(void *ours, size_t size, const void *theirs, const char *name, dgan_error *err)
{
    size_t given;
    memcpy(&given, theirs, sizeof given);
    if (given <= sizeof given || given > (size_t)1 << 16)
        return dgan_refuse(err, "%s: expected a structure that starts with its size, found size %zu", name, given);
    for (size_t i = size; i < given; i++)
        if (((const unsigned char *)theirs)[i])
            return dgan_refuse(err, "%s: byte %zu of a newer header's structure is set; this is library %s", name, i, DGAN_VERSION);
    memcpy(ours, theirs, given < size ? given : size);
    memcpy(ours, &size, sizeof size);
    return DGAN_OK;
}

bool dgan_report(void *user, const char *what, double done, double total, double value)
{
    const dgan_listener *l = user;
    return !l->call || l->call(l->user, what, done, total, value) == 0;
}

const char *dgan_version(void) { return DGAN_VERSION; }
int dgan_abi(void) { return DGAN_ABI; }

const char *dgan_kernels(int i)
{
    for (int k = 0; i >= 0 && k < nn_kernels_count(); k++)
        if (nn_kernels_at(k)->usable() && i-- == 0) return nn_kernels_at(k)->name;
    return NULL;
}
