/* A closed-loop load: C connections, each sends its next request when its answer is whole.
 *
 * Prints one JSON object: answers, errors, seconds, latency percentiles; for streams also events, their delay from the
 * upstream's stamp ("@<ns>;") to here, time to the first event, time of a stream, answers with other than the expected
 * number of events (`torn`) and reads that brought several events (`merged`).
 *
 * usage: load PORT CONNECTIONS SECONDS MODEL KEY [EVENTS]      EVENTS > 0: streams with that many stamped events
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 2048, HEAD_BYTES = 8192, READ_BYTES = 65536 };

enum phase { HEAD, BODY_LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

struct link {
    int fd, head_used, status, events, in_stamp, reads_merged;
    enum phase phase;
    long left;
    int line_used;
    char line[32];
    uint64_t stamp, sent_ns, first_ns;
    char head[HEAD_BYTES];
};

struct samples { double *at; size_t used, room; };

static struct link links[MAX_CONNECTIONS];
static struct samples latency, delay, first_event;
static uint64_t end_ns;
static long answers, errors, events, torn, merged;
static int expected_events, port, poller, open_links;
static char request[4096];
static int request_size;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void keep(struct samples *s, double value)
{
    if (s->used == s->room) {
        s->room = s->room ? s->room * 2 : 65536;
        s->at = realloc(s->at, s->room * sizeof *s->at);
    }
    s->at[s->used++] = value;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(struct samples *s, double share)
{
    return s->used ? s->at[(size_t)(share * (double)(s->used - 1))] : 0;
}

static void print_samples(const char *name, struct samples *s)
{
    qsort(s->at, s->used, sizeof *s->at, ascending);
    printf(",\"%s_p50_ms\":%.4f,\"%s_p99_ms\":%.4f", name, percentile(s, 0.5), name, percentile(s, 0.99));
}

static int connect_link(struct link *l)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&at, sizeof at))
        return 0;
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = l };
    epoll_ctl(poller, EPOLL_CTL_ADD, l->fd, &e);
    open_links++;
    return 1;
}

static void start_request(struct link *l)
{
    l->phase = HEAD;
    l->head_used = l->line_used = l->events = l->in_stamp = 0;
    l->first_ns = 0;
    l->sent_ns = now_ns();
    if (send(l->fd, request, (size_t)request_size, MSG_NOSIGNAL) != request_size)
        errors++;
}

static void hang_up(struct link *l)
{
    close(l->fd);
    open_links--;
}

static void reconnect(struct link *l)
{
    errors++;
    hang_up(l);
    if (now_ns() < end_ns && connect_link(l))
        start_request(l);
}

/* The answer is whole. */
static void finish(struct link *l)
{
    uint64_t now = now_ns();
    if (l->status != 200)
        errors++;
    else if (now <= end_ns || expected_events) {
        answers++;
        keep(&latency, (double)(now - l->sent_ns) / 1e6);
    }
    if (expected_events && l->status == 200) {
        torn += l->events != expected_events;
        if (l->first_ns)
            keep(&first_event, (double)(l->first_ns - l->sent_ns) / 1e6);
    }
    if (now < end_ns)
        start_request(l);
    else
        hang_up(l);
}

/* Finds the upstream's stamps in bytes of the body; how many ended here. */
static int scan_body(struct link *l, const char *bytes, long size, uint64_t now)
{
    int found = 0;
    if (!expected_events)
        return 0;
    for (long i = 0; i < size; i++) {
        char c = bytes[i];
        if (c == '@') {
            l->in_stamp = 1;
            l->stamp = 0;
        } else if (l->in_stamp && c >= '0' && c <= '9') {
            l->stamp = l->stamp * 10 + (uint64_t)(c - '0');
        } else if (l->in_stamp) {
            l->in_stamp = 0;
            if (c != ';')
                continue;
            l->events++;
            events++;
            found++;
            if (!l->first_ns)
                l->first_ns = now;
            keep(&delay, (double)(now - l->stamp) / 1e6);
        }
    }
    return found;
}

/* Reads the status line and the framing out of a complete head. */
static void read_head(struct link *l)
{
    l->status = l->head_used > 12 ? atoi(l->head + 9) : 0;
    l->left = 0;
    l->phase = BODY_LENGTH;
    for (char *line = strstr(l->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (!strncasecmp(line, "content-length:", 15))
            l->left = strtol(line + 15, NULL, 10);
        else if (!strncasecmp(line, "transfer-encoding:", 18))
            l->phase = CHUNK_SIZE;
    }
}

/* Takes one byte of the head or of the chunk framing; 1 when the answer is whole with it. */
static int take_byte(struct link *l, char c)
{
    if (l->phase == HEAD) {
        if (l->head_used < HEAD_BYTES - 1)
            l->head[l->head_used++] = c;
        l->head[l->head_used] = 0;
        if (l->head_used < 4 || memcmp(l->head + l->head_used - 4, "\r\n\r\n", 4))
            return 0;
        read_head(l);
        return l->phase == BODY_LENGTH && l->left == 0;
    }
    if (c != '\n') {
        if (c != '\r' && l->line_used < 31)
            l->line[l->line_used++] = c;
        return 0;
    }
    l->line[l->line_used] = 0;
    int empty = l->line_used == 0;
    l->line_used = 0;
    if (l->phase == CHUNK_SIZE) {
        l->left = strtol(l->line, NULL, 16);
        l->phase = l->left ? CHUNK_DATA : TRAILER;
    } else if (l->phase == CHUNK_END) {
        l->phase = CHUNK_SIZE;
    } else if (l->phase == TRAILER) {
        return empty;
    }
    return 0;
}

static void take_bytes(struct link *l, const char *bytes, long size)
{
    uint64_t now = now_ns();
    int found = 0;
    long i = 0;
    while (i < size) {
        if (l->phase == BODY_LENGTH || l->phase == CHUNK_DATA) {
            long part = l->left < size - i ? l->left : size - i;
            found += scan_body(l, bytes + i, part, now);
            i += part;
            l->left -= part;
            if (l->left)
                break;
            if (l->phase == BODY_LENGTH) {
                finish(l);
                break;
            }
            l->phase = CHUNK_END;
        } else if (take_byte(l, bytes[i++])) {
            finish(l);
            break;
        }
    }
    if (found > 1)
        merged += found - 1;
}

static void build_request(const char *model, const char *key)
{
    char body[2048];
    int size = snprintf(body, sizeof body,
        "{\"model\":\"%s\",\"messages\":[{\"role\":\"system\",\"content\":\"Answer in one short paragraph.\"},"
        "{\"role\":\"user\",\"content\":\"What does an interpreter do between two courts?\"}],\"temperature\":0.2%s}",
        model, expected_events ? ",\"stream\":true" : "");
    request_size = snprintf(request, sizeof request,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer %s\r\n"
        "content-type: application/json\r\naccept: */*\r\nuser-agent: load\r\ncontent-length: %d\r\n\r\n%s",
        port, key, size, body);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    port = atoi(argv[1]);
    int wanted = atoi(argv[2]);
    double seconds = atof(argv[3]);
    expected_events = argc > 6 ? atoi(argv[6]) : 0;
    if (wanted > MAX_CONNECTIONS)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    build_request(argv[4], argv[5]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < wanted; i++)
        if (!connect_link(&links[i])) {
            perror("load");
            return 1;
        }
    uint64_t start = now_ns();
    end_ns = start + (uint64_t)(seconds * 1e9);
    /* Streams may end after the time; nothing waits for ever. */
    uint64_t limit_ns = end_ns + 15000000000u;
    for (int i = 0; i < wanted; i++)
        start_request(&links[i]);
    struct epoll_event ready[256];
    static char bytes[READ_BYTES];
    while (open_links && now_ns() < limit_ns) {
        int n = epoll_wait(poller, ready, 256, 100);
        for (int i = 0; i < n; i++) {
            struct link *l = ready[i].data.ptr;
            ssize_t got = recv(l->fd, bytes, sizeof bytes, MSG_DONTWAIT);
            if (got > 0)
                take_bytes(l, bytes, got);
            else if (got == 0 || errno != EAGAIN)
                reconnect(l);
        }
        if (!expected_events && now_ns() > end_ns + 2000000000u)
            break;
    }
    double took = (double)((expected_events ? now_ns() : end_ns) - start) / 1e9;
    printf("{\"answers\":%ld,\"errors\":%ld,\"unfinished\":%d,\"seconds\":%.3f,\"events\":%ld,\"torn\":%ld,\"merged\":%ld",
        answers, errors, open_links, took, events, torn, merged);
    print_samples("latency", &latency);
    print_samples("delay", &delay);
    print_samples("first", &first_event);
    printf("}\n");
    return 0;
}
