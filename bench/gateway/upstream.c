/* A model provider that costs next to nothing: answers POST .../chat/completions from one thread with epoll.
 *
 * A body with "stream":true gets `chunks` server-sent events, each its own write and its own HTTP chunk, stamped with
 * the monotonic time of that write ("@<ns>;" in the text), then the finish, the usage and [DONE]. A model name that
 * contains "paced" gets one event every `gap` microseconds, any other as fast as the socket takes them.
 * Other bodies get a completion of about 700 bytes.
 *
 * usage: upstream PORT [CHUNKS [GAP_US]]
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

enum { MAX_FD = 8192, IN_BYTES = 65536, OUT_BYTES = 2048 };

struct peer {
    int fd;
    int used;              /* bytes of the request read so far */
    int streaming;         /* events are still to be sent */
    int paced;
    int next_event;
    uint64_t due_ns;
    int out_size, out_sent;
    char in[IN_BYTES];
    char out[OUT_BYTES];
};

static struct peer *peers[MAX_FD];
static int top_fd;
static int chunk_count = 100;
static uint64_t gap_ns = 10000000;
static int poller;
static char completion[2048];
static int completion_size;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void build_completion(void)
{
    static const char *sentence = "The interpreter listens first and speaks second, so both sides hear what was meant. ";
    char text[512] = "";
    for (int i = 0; i < 5; i++)
        strcat(text, sentence);
    char body[1024];
    int size = snprintf(body, sizeof body,
        "{\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"upstream\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":85,\"total_tokens\":97}}", text);
    completion_size = snprintf(completion, sizeof completion,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s", size, body);
}

static void watch(struct peer *p, int writable)
{
    struct epoll_event e = { .events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.fd = p->fd };
    epoll_ctl(poller, EPOLL_CTL_MOD, p->fd, &e);
}

static void drop(struct peer *p)
{
    peers[p->fd] = NULL;
    close(p->fd);
    free(p);
}

/* 1: everything is out, 0: the socket is full, -1: the peer is gone. */
static int flush_out(struct peer *p)
{
    while (p->out_sent < p->out_size) {
        ssize_t n = send(p->fd, p->out + p->out_sent, (size_t)(p->out_size - p->out_sent), MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN)
                return 0;
            return -1;
        }
        p->out_sent += (int)n;
    }
    return 1;
}

static void frame_event(struct peer *p, const char *event, int size)
{
    p->out_size = snprintf(p->out, OUT_BYTES, "%x\r\n%.*s\r\n", size, size, event);
    p->out_sent = 0;
}

static void next_event(struct peer *p)
{
    char event[1024];
    int size, n = p->next_event++;
    const char *head = "data: {\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\","
                       "\"created\":1760000000,\"model\":\"upstream\",\"choices\":[";
    if (n < chunk_count)
        size = snprintf(event, sizeof event,
            "%s{\"index\":0,\"delta\":{\"content\":\"@%llu; some words\"},\"finish_reason\":null}]}\n\n",
            head, (unsigned long long)now_ns());
    else if (n == chunk_count)
        size = snprintf(event, sizeof event, "%s{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", head);
    else if (n == chunk_count + 1)
        size = snprintf(event, sizeof event,
            "%s],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n",
            head, chunk_count * 3, chunk_count * 3 + 12);
    else {
        p->streaming = 0;
        p->out_size = snprintf(p->out, OUT_BYTES, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
        p->out_sent = 0;
        return;
    }
    frame_event(p, event, size);
}

/* Sends what is due; 0 when the peer is gone. */
static int advance(struct peer *p, uint64_t now)
{
    for (;;) {
        int state = flush_out(p);
        if (state < 0)
            return 0;
        if (state == 0) {
            watch(p, 1);
            return 1;
        }
        if (!p->streaming)
            return 1;
        if (p->paced && p->next_event < chunk_count) {
            if (p->due_ns > now)
                return 1;
            p->due_ns += gap_ns;
        }
        next_event(p);
    }
}

static int answer(struct peer *p, const char *body)
{
    int one = 1;
    if (strstr(body, "\"stream\":true") || strstr(body, "\"stream\": true")) {
        p->streaming = 1;
        p->paced = strstr(body, "paced") != NULL;
        p->next_event = 0;
        p->due_ns = now_ns() + (p->paced ? gap_ns : 0);
        p->out_size = snprintf(p->out, OUT_BYTES,
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
        p->out_sent = 0;
        setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        return advance(p, now_ns());
    }
    memcpy(p->out, completion, (size_t)completion_size);
    p->out_size = completion_size;
    p->out_sent = 0;
    return advance(p, now_ns());
}

/* Takes whole requests out of the buffer; 0 when the peer is to be dropped. */
static int take_requests(struct peer *p)
{
    for (;;) {
        p->in[p->used] = 0;
        char *end = strstr(p->in, "\r\n\r\n");
        if (!end)
            return p->used < IN_BYTES - 1;
        long length = 0;
        for (char *line = p->in; line && line < end; line = strstr(line, "\r\n")) {
            if (*line == '\r')
                line += 2;
            if (!strncasecmp(line, "content-length:", 15)) {
                length = strtol(line + 15, NULL, 10);
                break;
            }
        }
        long whole = (end + 4 - p->in) + length;
        if (whole >= IN_BYTES)
            return 0;
        if (p->used < whole)
            return 1;
        char kept = p->in[whole];
        p->in[whole] = 0;
        int alive = answer(p, end + 4);
        p->in[whole] = kept;
        if (!alive)
            return 0;
        memmove(p->in, p->in + whole, (size_t)(p->used - whole));
        p->used -= (int)whole;
    }
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (fd >= MAX_FD) {
            close(fd);
            continue;
        }
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct peer *p = calloc(1, sizeof *p);
        p->fd = fd;
        peers[fd] = p;
        if (fd > top_fd)
            top_fd = fd;
        struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    }
}

static void serve_peer(struct peer *p, uint32_t events)
{
    if (events & EPOLLOUT) {
        watch(p, 0);
        if (!advance(p, now_ns())) {
            drop(p);
            return;
        }
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t n = recv(p->fd, p->in + p->used, (size_t)(IN_BYTES - 1 - p->used), 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            drop(p);
            return;
        }
        if (n > 0) {
            p->used += (int)n;
            if (!take_requests(p))
                drop(p);
        }
    }
}

/* Sends what has come due and says how long to sleep, in milliseconds; -1 = until something comes. */
static int tick(void)
{
    uint64_t now = now_ns(), first = 0;
    for (int fd = 0; fd <= top_fd; fd++) {
        struct peer *p = peers[fd];
        if (!p || !p->streaming || !p->paced)
            continue;
        if (p->due_ns <= now && p->out_sent == p->out_size && !advance(p, now)) {
            drop(p);
            continue;
        }
        if (p->streaming && (!first || p->due_ns < first))
            first = p->due_ns;
    }
    if (!first)
        return -1;
    now = now_ns();
    return first <= now ? 0 : (int)((first - now) / 1000000);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    if (argc > 2)
        chunk_count = atoi(argv[2]);
    if (argc > 3)
        gap_ns = (uint64_t)atoll(argv[3]) * 1000;
    signal(SIGPIPE, SIG_IGN);
    build_completion();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])) };
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) {
        perror("upstream");
        return 1;
    }
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = { .events = EPOLLIN, .data.fd = listener };
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
    struct epoll_event ready[256];
    for (;;) {
        int n = epoll_wait(poller, ready, 256, tick());
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener)
                accept_all(listener);
            else if (peers[fd])
                serve_peer(peers[fd], ready[i].events);
        }
    }
}
