#include "serve/origin.h"
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* What follows the scheme: HOST or HOST:PORT.  NULL: it is no origin of the web. */
static const char *place(const char *origin)
{
    if (!strncasecmp(origin, "http://", 7)) return origin + 7;
    return strncasecmp(origin, "https://", 8) ? NULL : origin + 8;
}

int lt_origins_check(const struct lt_list *allowed)
{
    for (int i = 0; i < allowed->count; i++) {
        const char *at = place(allowed->item[i]);
        if (!strcmp(allowed->item[i], "*") || (at && *at && !strpbrk(at, "/ \t\r\n"))) continue;
        return lt_misuse("allow_origin: expected *, or http://HOST or http://HOST:PORT and nothing after it, found "
                         "\"%s\"", allowed->item[i]);
    }
    return 0;
}

static bool is_loopback(const char *host)
{
    char name[256];
    struct in_addr four;
    bool six = *host == '[';
    size_t n = six ? strcspn(host + 1, "]") : strcspn(host, ":"), own = strlen("localhost");
    if (n >= sizeof name) return false;
    memcpy(name, host + six, n);
    name[n] = 0;
    if (six) return !strcmp(name, "::1");
    if (inet_pton(AF_INET, name, &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
    return n >= own && !strcasecmp(name + n - own, "localhost") && (n == own || name[n - own - 1] == '.');
}

static bool is_named(const struct lt_door *d, const char *host)
{
    size_t n = strlen(d->name);
    if (!strncasecmp(host, d->name, n) && (!host[n] || host[n] == ':')) return true;
    for (int i = 0; i < d->allowed->count; i++) {
        const char *at = place(d->allowed->item[i]);
        if (!at || !strcasecmp(at, host)) return true;          /* no place: "*" */
    }
    return false;
}

static bool is_allowed(const struct lt_door *d, const char *origin)
{
    for (int i = 0; i < d->allowed->count; i++)
        if (!strcmp(d->allowed->item[i], "*") || !strcasecmp(d->allowed->item[i], origin)) return true;
    return false;
}

int lt_door_pass(const struct lt_door *d, const char *host, const char *origin, bool *foreign, struct lt_fault *f)
{
    *foreign = false;
    if (d->loopback && host && !is_loopback(host) && !is_named(d, host))
        return lt_fault_set(f, 403, NULL, "host_not_allowed", "this server is for programs of its own machine, and "
                            "\"%.200s\" is no name of it; --allow_origin http://%.200s lets it in", host, host);
    const char *at = origin ? place(origin) : NULL;
    if (!origin || (at && host && !strcasecmp(at, host))) return 0;
    *foreign = is_allowed(d, origin);
    return *foreign ? 0 : lt_fault_set(f, 403, NULL, "origin_not_allowed", "pages of \"%.200s\" may not use this "
                                       "server; --allow_origin lets them", origin);
}
