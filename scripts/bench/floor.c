/*
 * The floor: the least that an echo over WebSockets costs. One thread, epoll, and nothing that a server needs besides.
 *
 *     floor            prints its port on 127.0.0.1, echoes binary messages, answers pings and closes
 *
 * A message must be whole and at most 64 kB, as the frames of a call are; anything else ends that connection.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 65536

struct client {
    int fd, upgraded, length;
    unsigned char *part;                 /* what came of a message, or of the request, that isn't whole yet */
};

static unsigned char in[2 * ROOM], out[2 * ROOM];

static uint32_t turn(uint32_t word, int by) {
    return word << by | word >> (32 - by);
}

static void sha1(unsigned char *text, size_t length, unsigned char digest[20]) {
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}, w[80];
    size_t blocks = (length + 9 + 63) / 64;
    text[length] = 0x80;
    memset(text + length + 1, 0, blocks * 64 - length - 1);
    for (int byte = 0; byte < 4; byte++)
        text[blocks * 64 - 1 - byte] = (unsigned char)(length * 8 >> (8 * byte));
    for (size_t block = 0; block < blocks; block++) {
        for (int at = 0; at < 16; at++)
            w[at] = (uint32_t)text[block * 64 + at * 4] << 24 | (uint32_t)text[block * 64 + at * 4 + 1] << 16 |
                    (uint32_t)text[block * 64 + at * 4 + 2] << 8 | text[block * 64 + at * 4 + 3];
        for (int at = 16; at < 80; at++)
            w[at] = turn(w[at - 3] ^ w[at - 8] ^ w[at - 14] ^ w[at - 16], 1);
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int at = 0; at < 80; at++) {
            uint32_t f = at < 20 ? (b & c) | (~b & d) : at < 40 || at >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
            uint32_t k = at < 20 ? 0x5a827999 : at < 40 ? 0x6ed9eba1 : at < 60 ? 0x8f1bbcdc : 0xca62c1d6;
            uint32_t next = turn(a, 5) + f + e + k + w[at];
            e = d, d = c, c = turn(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (int at = 0; at < 20; at++)
        digest[at] = (unsigned char)(h[at / 4] >> (24 - at % 4 * 8));
}

static void base64(const unsigned char *data, int length, char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int at = 0; at < length; at += 3) {
        uint32_t bits = (uint32_t)data[at] << 16 | (at + 1 < length ? data[at + 1] << 8 : 0) | (at + 2 < length ? data[at + 2] : 0);
        for (int letter = 0; letter < 4; letter++)
            *text++ = at + letter > length ? '=' : letters[bits >> (18 - 6 * letter) & 63];
    }
    *text = 0;
}

/* How many bytes the request took; 0 where it isn't whole, -1 where it is none. */
static int upgrade(struct client *client, unsigned char *data, int length) {
    data[length] = 0;
    char *end = strstr((char *)data, "\r\n\r\n"), *key = strcasestr((char *)data, "\r\nSec-WebSocket-Key:"), accept[32], answer[256];
    if (!end)
        return length < 8192 ? 0 : -1;
    if (!key || key > end)
        return -1;
    key += 20 + strspn(key + 20, " ");
    unsigned char text[256], digest[20];
    int size = snprintf((char *)text, 128, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)strcspn(key, "\r "), key);
    if (size >= 128)
        return -1;
    sha1(text, (size_t)size, digest);
    base64(digest, 20, accept);
    size = snprintf(answer, sizeof answer,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    client->upgraded = 1;
    return send(client->fd, answer, (size_t)size, MSG_NOSIGNAL) == size ? (int)(end + 4 - (char *)data) : -1;
}

/* How many bytes were whole messages, with what they are answered in `out`; -1 where the connection is over. */
static int echo(unsigned char *data, int length, int *answered) {
    int at = 0, to = 0;
    while (length - at >= 6) {
        int opcode = data[at] & 15, size = data[at + 1] & 127, header = size == 126 ? 8 : 6;
        if (!(data[at] & 0x80) || !(data[at + 1] & 0x80) || size == 127 || length - at < header)
            return size == 127 || !(data[at] & 0x80) || !(data[at + 1] & 0x80) ? -1 : at;
        if (size == 126)
            size = data[at + 2] << 8 | data[at + 3];
        if (length - at - header < size)
            break;
        unsigned char *mask = data + at + header - 4, *payload = data + at + header;
        if (opcode == 2 || opcode == 8 || opcode == 9) {
            out[to++] = (unsigned char)(0x80 | (opcode == 9 ? 10 : opcode));
            if (size > 125)
                out[to++] = 126, out[to++] = (unsigned char)(size >> 8);
            out[to++] = (unsigned char)size;
            uint64_t wide;
            uint32_t narrow;
            memcpy(&narrow, mask, 4);
            wide = (uint64_t)narrow << 32 | narrow;
            int byte = 0;
            for (; byte + 8 <= size; byte += 8) {
                uint64_t word;
                memcpy(&word, payload + byte, 8);
                word ^= wide;
                memcpy(out + to + byte, &word, 8);
            }
            for (; byte < size; byte++)
                out[to + byte] = payload[byte] ^ mask[byte & 3];
            to += size;
        }
        at += header + size;
        if (opcode == 8) {
            *answered = -to;
            return at;
        }
    }
    *answered = to;
    return at;
}

static int serve(struct client *client) {
    memcpy(in, client->part, (size_t)client->length);
    ssize_t got = recv(client->fd, in + client->length, ROOM, MSG_DONTWAIT);
    if (got <= 0)
        return 0;
    int length = client->length + (int)got, taken = 0, answered = 0;
    if (!client->upgraded && (taken = upgrade(client, in, length)) < 0)
        return 0;
    if (client->upgraded) {
        int more = echo(in + taken, length - taken, &answered);
        if (more < 0)
            return 0;
        taken += more;
    }
    int size = answered < 0 ? -answered : answered;
    if (size && send(client->fd, out, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT) != size)
        return 0;
    client->length = length - taken;
    if (client->length && !(client->part = realloc(client->part, (size_t)client->length)))
        return 0;
    memcpy(client->part, in + taken, (size_t)client->length);
    return client->length < ROOM && answered >= 0;
}

int main(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1024))
        return 1;
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    struct epoll_event event = {.events = EPOLLIN}, events[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poll, events, 256, -1);
        for (int at = 0; at < count; at++) {
            struct client *client = events[at].data.ptr;
            if (!client) {
                client = calloc(1, sizeof *client);
                client->part = malloc(1);
                client->fd = accept(listener, NULL, NULL);
                setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                event = (struct epoll_event){.events = EPOLLIN, .data.ptr = client};
                epoll_ctl(poll, EPOLL_CTL_ADD, client->fd, &event);
            } else if (!serve(client)) {
                close(client->fd);
                free(client->part);
                free(client);
            }
        }
    }
}
