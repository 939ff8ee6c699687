/*
 * Paced callers on loopback: what a benchmark drives a server with.
 *
 *     generator --port P [--path /socket] [--mode echo|listen|send] [--calls N] [--seconds S] [--pid PID] [--pace-us US]
 *
 * Each call upgrades on the path, says websocket:connected, and (not with `listen`) sends 640 masked bytes each 20 ms on an
 * absolute schedule; the calls' phases are spread evenly over the 20 ms. A frame carries its number and the time it was
 * sent, so that what comes back says how long it took. Calls begin one after another during --ramp, nothing is judged during
 * --warm, then --seconds are measured; with --pid also what CPU that process (its threads, its children) used in them, and
 * how its memory grew. One line of JSON is printed. `listen` judges what comes against a schedule of one message each
 * --pace-us, from the call's own earliest.
 *
 * Beside each figure stands how late the generator itself was and what share of the time it had work, and with --pid what
 * others on this machine used meanwhile, in cores: a figure is worth nothing where the generator was the limit. Only 127.0.0.1 is called; calls and time are bounded.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES 640
#define FRAME_NS 20000000LL
#define HEADER 8                         /* two bytes, two of length, four of mask */
#define MAX_CALLS 8000
#define MAX_SECONDS 900
#define MAX_MESSAGE 65536
#define BUCKETS 4000000                  /* one per microsecond: four seconds, and the last one is for all beyond */
#define READ_NS 20000                    /* how long what came may wait to be read: a system call for each would cost too much */
#define SLEEP_NS 200000                  /* with less time than this it stays awake */

static const char CONNECTED[] = "{\"event\":\"websocket:connected\",\"content-type\":\"audio/l16;rate=16000\"}";

enum mode { ECHO, LISTEN, SEND };

struct stamp {
    uint32_t call, number;               /* number: which 20 ms of the whole run */
    int64_t sent_at;
};

struct call {
    int fd, open;
    uint32_t begins, next;               /* the first frame's number, and the one that should come back next */
    int64_t phase_ns;
    unsigned char frame[HEADER + FRAME_BYTES];
    unsigned char unsent[HEADER + FRAME_BYTES];
    int unsent_bytes;
    unsigned char *part;                 /* the beginning of a message whose rest is still to come */
    int part_bytes;
    int64_t *arrivals;
    uint32_t arrived;
};

struct histogram {
    uint32_t *count;
    uint64_t total;
    int64_t max_ns;
};

static struct options {
    int port, calls, pid;
    enum mode mode;
    double seconds, warm, ramp, grace;
    int64_t pace_ns;
    const char *path;
} options = {.calls = 100, .seconds = 5, .warm = 1, .ramp = 1, .grace = 1, .pace_ns = 18500000, .path = "/socket"};

static struct call *calls;
static unsigned char audio[FRAME_BYTES];
static struct histogram round_trips, lateness;
static uint64_t sent, received, unsent, wrong, disordered, other, lost_sockets;
static int64_t idle_ns;
static uint32_t first_frame, last_frame; /* the window that is judged */
static uint32_t capacity;

static int64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("generator: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory)
        die("no memory for %zu times %zu bytes", count, size);
    return memory;
}

/* ---- figures ---- */

static void note(struct histogram *figures, int64_t ns) {
    if (ns < 0)
        ns = 0;
    int64_t bucket = ns / 1000;
    figures->count[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    figures->total++;
    if (ns > figures->max_ns)
        figures->max_ns = ns;
}

static double quantile_ms(const struct histogram *figures, double share) {
    uint64_t wanted = (uint64_t)(share * (double)figures->total), seen = 0;
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
        seen += figures->count[bucket];
        if (seen > wanted)
            return bucket / 1000.0;
    }
    return (double)figures->max_ns / 1e6;
}

static void print_histogram(const char *name, const struct histogram *figures) {
    if (!figures->total) {
        printf("\"%s\":null,", name);
        return;
    }
    printf("\"%s\":{\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f},", name,
           quantile_ms(figures, .5), quantile_ms(figures, .95), quantile_ms(figures, .99), quantile_ms(figures, .999),
           (double)figures->max_ns / 1e6);
}

/* ---- the server's process, its threads and its children ---- */

static void each_process(int pid, void (*visit)(int, void *), void *sum) {
    char path[300];
    visit(pid, sum);
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    if (!threads)
        return;
    for (struct dirent *entry; (entry = readdir(threads));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/children", pid, entry->d_name);
        FILE *children = fopen(path, "r");
        int child;
        while (children && fscanf(children, "%d", &child) == 1)
            each_process(child, visit, sum);
        if (children)
            fclose(children);
    }
    closedir(threads);
}

static void add_cpu(int pid, void *sum) {
    clockid_t clock;
    struct timespec used;
    if (!clock_getcpuclockid(pid, &clock) && !clock_gettime(clock, &used))
        *(int64_t *)sum += used.tv_sec * 1000000000LL + used.tv_nsec;
}

static void add_rss(int pid, void *sum) {
    char path[64];
    long size, resident;
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%ld %ld", &size, &resident) == 2)
        *(int64_t *)sum += resident * (sysconf(_SC_PAGESIZE) / 1024);
    if (file)
        fclose(file);
}

/* CPU that the whole machine used, and what its host took away from it. */
static int64_t machine_cpu_ns(void) {
    long user, nice, kernel, idle, waiting, irq, soft_irq, stolen, ticks = sysconf(_SC_CLK_TCK);
    FILE *file = fopen("/proc/stat", "r");
    if (!file || fscanf(file, "cpu %ld %ld %ld %ld %ld %ld %ld %ld", &user, &nice, &kernel, &idle, &waiting, &irq, &soft_irq, &stolen) != 8)
        ticks = 0;
    if (file)
        fclose(file);
    return ticks ? (user + nice + kernel + irq + soft_irq + stolen) * (1000000000LL / ticks) : 0;
}

static int64_t own_cpu_ns(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * 1000000000LL + used.tv_nsec;
}

static int64_t of_server(void (*visit)(int, void *)) {
    int64_t sum = 0;
    if (options.pid)
        each_process(options.pid, visit, &sum);
    return sum;
}

/* ---- opening ---- */

static void open_call(struct call *call) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    call->fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 10};
    int yes = 1;
    setsockopt(call->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(call->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (call->fd < 0 || connect(call->fd, (struct sockaddr *)&address, sizeof address))
        die("can't connect to port %d: %s", options.port, strerror(errno));
    char text[4096];
    int length = snprintf(text, sizeof text,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                          options.path, options.port);
    if (send(call->fd, text, (size_t)length, MSG_NOSIGNAL) != length)
        die("can't send the upgrade: %s", strerror(errno));
    /* Peeked first, so that what the server says right behind its answer stays in the socket. */
    for (;;) {
        ssize_t seen = recv(call->fd, text, sizeof text - 1, MSG_PEEK);
        if (seen <= 0)
            die("no answer to the upgrade: %s", seen ? strerror(errno) : "the server closed");
        text[seen] = 0;
        char *end = strstr(text, "\r\n\r\n");
        if (end) {
            if (strncmp(text, "HTTP/1.1 101", 12))
                die("the server refuses the upgrade: %.60s", text);
            if (recv(call->fd, text, (size_t)(end + 4 - text), 0) != end + 4 - text)
                die("the answer to the upgrade is gone");
            break;
        }
        if (seen == sizeof text - 1)
            die("the answer to the upgrade has no end");
        usleep(200);
    }
    fcntl(call->fd, F_SETFL, fcntl(call->fd, F_GETFL) | O_NONBLOCK);
    call->open = 1;
}

static void make_frame(struct call *call, uint32_t number) {
    unsigned char *frame = call->frame, *mask = frame + 4;
    uint32_t key = 0x9e3779b9u * (number + 1);
    frame[0] = 0x82;
    frame[1] = 0x80 | 126;
    frame[2] = FRAME_BYTES >> 8;
    frame[3] = FRAME_BYTES & 255;
    memcpy(mask, &key, 4);
    for (int at = 0; at < FRAME_BYTES; at++)
        frame[HEADER + at] = audio[at] ^ mask[at & 3];
}

/* ---- sending ---- */

static void lose_socket(struct call *call) {
    if (!call->open)
        return;
    call->open = 0;
    lost_sockets++;
    close(call->fd);
}

static void watch(int poll, struct call *call, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data.ptr = call};
    epoll_ctl(poll, how, call->fd, &event);
}

/* Sends all or keeps the rest for later; a frame for which there is no room at all is not sent, and counts. */
static int put(int poll, struct call *call, const unsigned char *data, int length) {
    if (call->unsent_bytes)
        return 0;
    ssize_t done = send(call->fd, data, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done < 0) {
        if (errno != EAGAIN)
            lose_socket(call);
        return 0;
    }
    if (done < length) {
        call->unsent_bytes = length - (int)done;
        memcpy(call->unsent, data + done, (size_t)call->unsent_bytes);
        watch(poll, call, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
    return 1;
}

static void put_rest(int poll, struct call *call) {
    ssize_t done = send(call->fd, call->unsent, (size_t)call->unsent_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done < 0)
        return;
    call->unsent_bytes -= (int)done;
    memmove(call->unsent, call->unsent + done, (size_t)call->unsent_bytes);
    if (!call->unsent_bytes)
        watch(poll, call, EPOLLIN, EPOLL_CTL_MOD);
}

static void put_small(int poll, struct call *call, int opcode, const void *payload, int length) {
    unsigned char frame[6 + 125] = {(unsigned char)(0x80 | opcode), (unsigned char)(0x80 | length), 1, 2, 3, 4};
    for (int at = 0; at < length; at++)
        frame[6 + at] = ((const unsigned char *)payload)[at] ^ frame[2 + (at & 3)];
    put(poll, call, frame, 6 + length);
}

static void send_frame(int poll, struct call *call, uint32_t number, int64_t due) {
    struct stamp stamp = {.call = (uint32_t)(call - calls), .number = number, .sent_at = now_ns()};
    unsigned char *mask = call->frame + 4, *payload = call->frame + HEADER;
    for (size_t at = 0; at < sizeof stamp; at++)
        payload[at] = ((unsigned char *)&stamp)[at] ^ mask[at & 3];
    if (number >= first_frame)
        note(&lateness, stamp.sent_at - due);
    sent++;
    if (!put(poll, call, call->frame, HEADER + FRAME_BYTES))
        unsent++;
}

/* ---- reading ---- */

static void judge(struct call *call, const unsigned char *payload, uint64_t length, int64_t now) {
    if (options.mode == LISTEN) {
        received++;
        if (call->arrived < capacity)
            call->arrivals[call->arrived++] = now;
        return;
    }
    struct stamp stamp;
    memcpy(&stamp, payload, length < sizeof stamp ? 0 : sizeof stamp);
    if (length != FRAME_BYTES || stamp.call != (uint32_t)(call - calls) ||
        memcmp(payload + sizeof stamp, audio + sizeof stamp, FRAME_BYTES - sizeof stamp)) {
        wrong++;
        return;
    }
    received++;
    disordered += stamp.number != call->next;
    call->next = stamp.number + 1;
    if (stamp.number >= first_frame)
        note(&round_trips, now - stamp.sent_at);
}

/* How many bytes of the data were whole messages; -1 where the call is over. */
static int take(int poll, struct call *call, const unsigned char *data, int length, int64_t now) {
    int at = 0;
    while (length - at >= 2) {
        uint64_t size = data[at + 1] & 127;
        int opcode = data[at] & 15, header = size == 126 ? 4 : size == 127 ? 10 : 2;
        if (length - at < header)
            break;
        if (size >= 126) {
            size = 0;
            for (int byte = 2; byte < header; byte++)
                size = size << 8 | data[at + byte];
        }
        if (size > MAX_MESSAGE)
            return -1;
        if ((uint64_t)(length - at - header) < size)
            break;
        const unsigned char *payload = data + at + header;
        if (opcode == 2)
            judge(call, payload, size, now);
        else if (opcode == 9)
            put_small(poll, call, 10, payload, size > 125 ? 125 : (int)size);
        else if (opcode == 8)
            return -1;
        else
            other++;
        at += header + (int)size;
    }
    return at;
}

static void read_call(int poll, struct call *call) {
    static unsigned char data[2 * MAX_MESSAGE + 64];
    memcpy(data, call->part, (size_t)call->part_bytes);
    ssize_t got = recv(call->fd, data + call->part_bytes, MAX_MESSAGE, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    int length = call->part_bytes + (int)got;
    int taken = got > 0 ? take(poll, call, data, length, now_ns()) : -1;
    if (taken < 0) {
        lose_socket(call);
        return;
    }
    call->part_bytes = length - taken;
    if (call->part_bytes && !(call->part = realloc(call->part, (size_t)call->part_bytes)))
        die("no memory");
    memcpy(call->part, data + taken, (size_t)call->part_bytes);
}

static void read_all(int poll, int64_t patience_ns) {
    struct epoll_event events[256];
    struct timespec patience = {.tv_sec = patience_ns / 1000000000, .tv_nsec = patience_ns % 1000000000};
    int count = epoll_pwait2(poll, events, 256, &patience, NULL);
    for (int at = 0; at < count; at++) {
        struct call *call = events[at].data.ptr;
        if (call->open && events[at].events & EPOLLOUT)
            put_rest(poll, call);
        if (call->open && events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            read_call(poll, call);
    }
}

/*
 * Reads what comes until then. It sleeps only where there is time for it: falling asleep and being woken costs more than a
 * frame does, and the waking would be on the server's account.
 */
static void wait_until(int poll, int64_t until) {
    static int64_t looked_at;
    for (;;) {
        int64_t now = now_ns(), left = until - now;
        if (left > SLEEP_NS) {
            read_all(poll, left - SLEEP_NS / 2);
            looked_at = now_ns();
            idle_ns += looked_at - now;
        } else if (now - looked_at >= READ_NS) {
            read_all(poll, 0);
            looked_at = now_ns();
        } else if (left > 0) {
            int64_t rest = looked_at + READ_NS < until ? looked_at + READ_NS : until, awake = now;
            while (awake < rest)
                awake = now_ns();
            idle_ns += awake - now;
        } else {
            return;
        }
    }
}

/* ---- the run ---- */

static int by_phase(const void *left, const void *right) {
    const struct call *one = *(struct call *const *)left, *two = *(struct call *const *)right;
    return (one->phase_ns > two->phase_ns) - (one->phase_ns < two->phase_ns);
}

static void print_listening(int64_t from, int64_t to) {
    struct histogram late = {.count = allocate(BUCKETS, sizeof(uint32_t))};
    double spacing = 0, least = 1e9, most = 0;
    int64_t widest = 0;
    uint64_t judged = 0, gaps = 0, silent = 0;
    for (int number = 0; number < options.calls; number++) {
        struct call *call = &calls[number];
        uint32_t begin = 0, end = call->arrived;
        while (begin < end && call->arrivals[begin] < from)
            begin++;
        while (end > begin && call->arrivals[end - 1] >= to)
            end--;
        if (end - begin < 2) {
            silent++;
            continue;
        }
        int64_t origin = INT64_MAX, *at = call->arrivals + begin;
        uint32_t count = end - begin;
        for (uint32_t message = 0; message < count; message++)
            if (at[message] - message * options.pace_ns < origin)
                origin = at[message] - message * options.pace_ns;
        for (uint32_t message = 0; message < count; message++) {
            note(&late, at[message] - message * options.pace_ns - origin);
            int64_t step = message ? at[message] - at[message - 1] : 0;
            gaps += step > 3 * options.pace_ns;
            widest = step > widest ? step : widest;
        }
        double mean = (double)(at[count - 1] - at[0]) / 1e6 / (count - 1);
        spacing += mean;
        least = mean < least ? mean : least;
        most = mean > most ? mean : most;
        judged++;
    }
    print_histogram("message_lateness_ms", &late);
    printf("\"silent_calls\":%lu,\"gaps\":%lu,\"widest_ms\":%.3f,", (unsigned long)silent, (unsigned long)gaps, (double)widest / 1e6);
    if (judged)
        printf("\"spacing_ms\":%.4f,\"least_spacing_ms\":%.4f,\"most_spacing_ms\":%.4f,", spacing / (double)judged, least, most);
}

static void run(void) {
    int poll = epoll_create1(0), count = options.calls;
    struct call **order = allocate((size_t)count, sizeof *order);
    uint32_t ramp = (uint32_t)(options.ramp * 50);
    first_frame = ramp + (uint32_t)(options.warm * 50);
    last_frame = first_frame + (uint32_t)(options.seconds * 50);
    int64_t rss_before = of_server(add_rss), opening = now_ns();
    for (int number = 0; number < count; number++) {
        struct call *call = order[number] = &calls[number];
        make_frame(call, (uint32_t)number);
        call->part = allocate(1, 1);
        call->begins = call->next = (uint32_t)((uint64_t)number * ramp / (uint64_t)count);
        /* Multiples of the golden ratio lie evenly in the 20 ms, and calls that begin together far from each other. */
        call->phase_ns = (int64_t)((double)FRAME_NS * (number * 0.6180339887498949 - (int64_t)(number * 0.6180339887498949)));
        if (options.mode == LISTEN)
            call->arrivals = allocate(capacity, sizeof(int64_t));
        open_call(call);
        watch(poll, call, EPOLLIN, EPOLL_CTL_ADD);
    }
    double opened_s = (double)(now_ns() - opening) / 1e9;
    qsort(order, (size_t)count, sizeof *order, by_phase);

    int64_t start = now_ns() + 50000000, cpu_from = 0, others_from = 0, idle_from = 0, from = 0;
    for (uint32_t number = 0; number < last_frame; number++) {
        if (number == first_frame) {
            cpu_from = of_server(add_cpu);
            others_from = machine_cpu_ns() - cpu_from - own_cpu_ns();
            idle_from = idle_ns;
            from = now_ns();
        }
        for (int at = 0; at < count && (options.mode != LISTEN || number <= ramp); at++) {
            struct call *call = order[at];
            if (!call->open || number < call->begins)
                continue;
            int64_t due = start + number * FRAME_NS + call->phase_ns;
            wait_until(poll, due);
            if (number == call->begins)
                put_small(poll, call, 1, CONNECTED, sizeof CONNECTED - 1);
            if (options.mode != LISTEN)
                send_frame(poll, call, number, due);
        }
        wait_until(poll, start + (number + 1) * FRAME_NS);
    }
    int64_t to = now_ns(), cpu = of_server(add_cpu) - cpu_from, idle = idle_ns - idle_from;
    int64_t others = machine_cpu_ns() - cpu - cpu_from - own_cpu_ns() - others_from;
    int64_t rss_after = of_server(add_rss), patience = to + (int64_t)(options.grace * 1e9);
    while (options.mode == ECHO && received < sent - unsent && now_ns() < patience)
        read_all(poll, 10000000);

    double minutes = (double)(to - from) / 6e10 * count;
    printf("{\"mode\":\"%s\",\"calls\":%d,\"seconds\":%.3f,\"connect_s\":%.3f,",
           options.mode == ECHO ? "echo" : options.mode == SEND ? "send" : "listen", count, (double)(to - from) / 1e9, opened_s);
    printf("\"sent\":%lu,\"received\":%lu,", (unsigned long)sent, (unsigned long)received);
    if (options.mode == ECHO)
        printf("\"lost\":%ld,\"wrong\":%lu,\"out_of_order\":%lu,", (long)(sent - received), (unsigned long)wrong, (unsigned long)disordered);
    if (options.mode == LISTEN)
        print_listening(from, to);
    printf("\"unsent\":%lu,\"lost_sockets\":%lu,\"other_messages\":%lu,", (unsigned long)unsent, (unsigned long)lost_sockets, (unsigned long)other);
    print_histogram("round_trip_ms", &round_trips);
    print_histogram("own_lateness_ms", &lateness);
    if (options.pid)
        printf("\"cpu_s\":%.4f,\"cpu_share\":%.4f,\"cpu_ms_per_call_minute\":%.2f,\"rss_before_kb\":%ld,\"rss_after_kb\":%ld,\"kb_per_call\":%.1f,",
               (double)cpu / 1e9, (double)cpu / (double)(to - from), (double)cpu / 1e6 / minutes, (long)rss_before,
               (long)rss_after, (double)(rss_after - rss_before) / count);
    printf("\"others_cpu_share\":%.4f,", others > 0 ? (double)others / (double)(to - from) : 0);
    printf("\"own_busy_share\":%.4f}\n", 1 - (double)idle / (double)(to - from));

    for (int number = 0; number < count; number++)
        if (calls[number].open)
            put_small(poll, &calls[number], 8, "\x03\xe8", 2);
    patience = now_ns() + (int64_t)(options.grace * 1e9);
    while (lost_sockets < (uint64_t)count && now_ns() < patience)
        read_all(poll, 10000000);
}

static double number_of(const char *name, const char *text, double least, double most) {
    char *end;
    double value = strtod(text, &end);
    if (*end || end == text || value < least || value > most)
        die("%s is a number from %g to %g, not %s", name, least, most, text);
    return value;
}

static void parse(int argc, char **argv) {
    for (int at = 1; at < argc; at += 2) {
        const char *name = argv[at], *value = at + 1 < argc ? argv[at + 1] : "";
        if (!strcmp(name, "--port"))
            options.port = (int)number_of(name, value, 1, 65535);
        else if (!strcmp(name, "--calls"))
            options.calls = (int)number_of(name, value, 1, MAX_CALLS);
        else if (!strcmp(name, "--pid"))
            options.pid = (int)number_of(name, value, 1, 1 << 30);
        else if (!strcmp(name, "--seconds"))
            options.seconds = number_of(name, value, .1, MAX_SECONDS);
        else if (!strcmp(name, "--warm"))
            options.warm = number_of(name, value, 0, 60);
        else if (!strcmp(name, "--ramp"))
            options.ramp = number_of(name, value, 0, 60);
        else if (!strcmp(name, "--grace"))
            options.grace = number_of(name, value, 0, 60);
        else if (!strcmp(name, "--pace-us"))
            options.pace_ns = (int64_t)(number_of(name, value, 1000, 1e6) * 1000);
        else if (!strcmp(name, "--path"))
            options.path = value;
        else if (!strcmp(name, "--mode") && !strcmp(value, "echo"))
            options.mode = ECHO;
        else if (!strcmp(name, "--mode") && !strcmp(value, "listen"))
            options.mode = LISTEN;
        else if (!strcmp(name, "--mode") && !strcmp(value, "send"))
            options.mode = SEND;
        else
            die("%s %s is no option; the head of generator.c names them", name, value);
    }
    if (!options.port)
        die("--port says whom to call");
}

int main(int argc, char **argv) {
    parse(argc, argv);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1);
    calls = allocate((size_t)options.calls, sizeof *calls);
    round_trips.count = allocate(BUCKETS, sizeof(uint32_t));
    lateness.count = allocate(BUCKETS, sizeof(uint32_t));
    double whole_s = options.seconds + options.warm + options.ramp + options.grace + 5;
    capacity = (uint32_t)(whole_s * 2e9 / (double)options.pace_ns) + 1024;
    /* A tone of 250 Hz, at 16 kHz: a server that judges what it hears finds nothing wrong with it, as with speech. */
    for (int at = 0; at < FRAME_BYTES / 2; at++) {
        int16_t sample = (int16_t)(8000 * sin(at * 2 * M_PI * 250 / 16000));
        audio[2 * at] = (unsigned char)sample;
        audio[2 * at + 1] = (unsigned char)(sample >> 8);
    }
    run();
    return 0;
}
