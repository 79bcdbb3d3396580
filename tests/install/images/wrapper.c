/* A stand-in for wrappers that cannot be had: it replaces op://NAME in the environment by what stands in the variable
 * SECRET_NAME, runs its arguments as a child, and passes SIGTERM on. Its own child is all that it waits for. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static pid_t child;

static void pass_on(int signal) { kill(child, signal); }

/* The new entry for one that refers to a secret. */
static char *resolved(const char *entry, const char *reference)
{
    char name[256];
    snprintf(name, sizeof name, "SECRET_%s", reference + strlen("op://"));
    const char *secret = getenv(name);
    if (!secret) {
        fprintf(stderr, "wrapper: there is no %s\n", reference);
        exit(1);
    }
    size_t before = reference - entry;
    char *fresh = malloc(before + strlen(secret) + 1);
    memcpy(fresh, entry, before);
    strcpy(fresh + before, secret);
    return fresh;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        puts("a wrapper that fills the environment");
        return 0;
    }
    for (char **entry = environ; *entry; entry++) {
        char *value = strchr(*entry, '=');
        if (value && !strncmp(value + 1, "op://", strlen("op://")))
            *entry = resolved(*entry, value + 1);
    }
    child = fork();
    if (!child) {
        execv(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    signal(SIGTERM, pass_on);
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
