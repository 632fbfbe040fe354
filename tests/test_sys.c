/* test_sys.c: the real door to the operating system: interrupted calls are retried, failures carry errno. */
#include "tests/t.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nn/sys.h"

/* Under AddressSanitizer too, memory that cannot be had is a NULL. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }

static volatile sig_atomic_t ticks;
static void on_tick(int sig) { (void)sig; ticks++; }

/* A child writes (or reads) late, while a timer interrupts this process's blocked call several times. */
static void test_interrupted(void)
{
    static char block[1 << 18];                /* more than a pipe holds */
    struct sigaction sa = { .sa_handler = on_tick };
    struct itimerval often = { { 0, 5000 }, { 0, 5000 } }, never = { { 0, 0 }, { 0, 0 } };
    int to_us[2], from_us[2];
    char c = 0;
    sigemptyset(&sa.sa_mask);
    sigaction(SIGALRM, &sa, NULL);             /* no SA_RESTART: the kernel must return EINTR */
    NN_ASSERT(pipe(to_us) == 0 && pipe(from_us) == 0);
    const pid_t child = fork();
    if (child == 0) {
        close(from_us[1]);
        poll(NULL, 0, 60);
        if (write(to_us[1], "x", 1) != 1) _exit(1);
        poll(NULL, 0, 60);
        while (read(from_us[0], block, sizeof block) > 0) continue;
        _exit(0);
    }
    setitimer(ITIMER_REAL, &often, NULL);
    t_check(nn_sys_read(to_us[0], &c, 1) == 1 && c == 'x', "an interrupted read goes on: %s", strerror(errno));
    t_check(ticks >= 2, "the read was interrupted (%d times)", (int)ticks);
    ticks = 0;
    size_t sent = 0;
    while (sent < sizeof block) {
        const ssize_t n = nn_sys_write(from_us[1], block + sent, sizeof block - sent);
        if (n < 0) break;
        sent += (size_t)n;
    }
    t_check(sent == sizeof block, "an interrupted write goes on: %s", strerror(errno));
    t_check(ticks >= 2, "the write was interrupted (%d times)", (int)ticks);
    setitimer(ITIMER_REAL, &never, NULL);
    nn_sys_close(from_us[1]);
    waitpid(child, NULL, 0);
    close(to_us[0]);
    close(to_us[1]);
    close(from_us[0]);
}

static void test_failures(void)
{
    const char *folder = t_folder("sys");
    char name[300];
    t_check(nn_sys_open("build/tmp/absent/file", O_RDONLY, 0) == -1 && errno == ENOENT, "open");
    t_check(nn_sys_read(-1, name, 1) == -1 && errno == EBADF, "read");
    t_check(nn_sys_write(-1, name, 1) == -1 && errno == EBADF, "write");
    t_check(nn_sys_fsync(-1) == -1 && errno == EBADF, "fsync");
    t_check(nn_sys_close(-1) == -1 && errno == EBADF, "close");
    t_check(nn_sys_truncate(-1, 0) == -1 && errno == EBADF, "truncate");
    t_check(nn_sys_rename("build/tmp/absent", "build/tmp/other") == -1 && errno == ENOENT, "rename");
    t_check(nn_sys_unlink("build/tmp/absent") == -1 && errno == ENOENT, "unlink");
    t_check(nn_sys_mkdir(folder, 0777) == -1 && errno == EEXIST, "mkdir");
    t_check(!nn_sys_alloc(64, (size_t)1 << 62) && errno == ENOMEM, "alloc");
    nn_format(name, sizeof name, "%s/x", folder);
    const int fd = nn_sys_open(name, O_RDWR | O_CREAT, 0644);
    t_check(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC), "opened files are not inherited");
    t_check(nn_sys_write(fd, "hello", 5) == 5 && nn_sys_fsync(fd) == 0 && nn_sys_truncate(fd, 2) == 0 && lseek(fd, 0, SEEK_END) == 2, "write and cut");
    t_check(nn_sys_close(fd) == 0 && nn_sys_unlink(name) == 0, "close and remove");
    void *p = nn_sys_alloc(64, 640);
    t_check(p && (uintptr_t)p % 64 == 0, "aligned memory");
    nn_sys_free(p);
    nn_sys_free(NULL);
}

int main(void)
{
    test_interrupted();
    test_failures();
    return t_done();
}
