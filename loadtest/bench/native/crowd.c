/* A crowd of Socket.IO clients over WebSocket: crowd HOST PORT COUNT SHOW WINDOW [LOG EVERY]
 *
 * Connects COUNT clients, at most WINDOW at the same time, each of which watches SHOW; prints {"joined", "seconds"}
 * when all have been answered. Then it reads, answers pings, and takes commands on stdin:
 *   mark                reset the counters
 *   report              print what was received since: frames, bytes, delays of the payloads' "t" (us since 1970),
 *                       fewest and most frames of a client, connections lost
 *   watch | catchup     all watch again, without or with `since`; prints {"joined", "seconds"}
 *   hold SHOWS DEPTH    each client holds pairs of seats, one after the other, 10 on each of SHOW-0, SHOW-1, ...,
 *                       SHOWS in all, DEPTH clients at a time; prints {"held", "refused", "seconds", ...}
 *   show NAME           replace SHOW
 *   stall COUNT         the first COUNT clients stop reading
 * With LOG, the arrivals (us, client, from, version: 4 x int64) of every EVERYth client are written to that file.
 * Frames are masked with zeros. For benchmarks only: unexpected input is ignored.
 */
#include "common.h"

enum { NEW, ASKED, OPENED, NAMED, IN, GONE };
struct client { int fd; uint8_t stage; uint32_t held, frames, have; char *part; };

static struct client *clients;
static int count, window, begun, joined, lost, every, poll_fd, stalled;
static const char *host, *show;
static int port;
static FILE *record;
static struct delays delays, answers;
static uint64_t frames, bytes;
static int64_t since_us, version = -1;
static char epoch[64];
static int expecting, shows, held, refused, next_client, under_way;
static int64_t *asked_us;
static char buffer[READ], name[128];

static void say(struct client *c, const char *text, size_t size) {
  char frame[4096];
  size_t head = 6;
  frame[0] = (char)0x81;
  if (size < 126) {
    frame[1] = (char)(0x80 | size);
    memset(frame + 2, 0, 4);
  } else {
    frame[1] = (char)(0x80 | 126), frame[2] = (char)(size >> 8), frame[3] = (char)size;
    memset(frame + 4, 0, 4);
    head = 8;
  }
  memcpy(frame + head, text, size);
  if (write(c->fd, frame, head + size) < 0 && errno != EAGAIN) perror("write");
}

static void start_next(void) {
  while (begun < count && begun - joined - lost < window) {
    struct client *c = &clients[begun];
    char ask[256];
    c->fd = open_link(host, port);
    c->stage = ASKED;
    int size = snprintf(ask, sizeof ask,
      "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
      host, port);
    listen_to(poll_fd, c->fd, (uint64_t)begun++);
    if (write(c->fd, ask, (size_t)size) != size) perror("write");
  }
}

static void watch(struct client *c, int catchup) {
  char text[512];
  int size = catchup ? snprintf(text, sizeof text,
               "421[\"show:watch\",{\"show\":\"%s\",\"since\":{\"epoch\":\"%s\",\"version\":%lld}}]",
               show, epoch, (long long)version)
             : snprintf(text, sizeof text, "421[\"show:watch\",{\"show\":\"%s\"}]", show);
  say(c, text, (size_t)size);
}

/* Hold the client's next pair of seats: its own pair in each of ten rows of the layout, on one show after the other. */
static int hold_next(int index) {
  struct client *c = &clients[index];
  char text[512];
  if (c->held >= (uint32_t)shows * 10) return 0;
  int at = (int)c->held++, pair = index * 10 + at % 10, row = pair / 100, seat = pair % 100 * 2;
  int size = snprintf(text, sizeof text,
    "422[\"seats:hold\",{\"show\":\"%s-%d\",\"seats\":[\"%d-%d\",\"%d-%d\"],\"request_id\":\"r%d\"}]",
    show, at / 10, row, seat, row, seat + 1, at);
  asked_us[index] = now_us();
  say(c, text, (size_t)size);
  return 1;
}

static void hold_more(void) {
  for (int tried = 0; tried < count && under_way < expecting; tried++) {
    if (hold_next(next_client)) under_way++;
    next_client = (next_client + 1) % count;
  }
  if (under_way == 0 && expecting > 0) {
    double seconds = (double)(now_us() - since_us) / 1e6;
    expecting = 0;
    printf("{\"held\":%d,\"refused\":%d,\"seconds\":%.3f,\"p50_ms\":%.1f,\"p99_ms\":%.1f}\n", held, refused, seconds,
           percentile_ms(&answers, 0.5), percentile_ms(&answers, 0.99));
  }
}

static void news(struct client *c, const char *text, size_t size) {
  size_t look = size < 400 ? size : 400;
  int64_t arrived = now_us(), sent = number_after(text, look, "\"t\":");
  frames++, c->frames++;
  if (sent > 0) add_delay(&delays, arrived - sent);
  if (record && (c - clients) % every == 0) {
    int64_t row[4] = {arrived, c - clients, number_after(text, look, "\"from\":"), number_after(text, look, "\"version\":")};
    fwrite(row, sizeof row, 1, record);
  }
}

static void answered(struct client *c, const char *text, size_t size) {
  if (text[2] == '2') {
    if (memmem(text, size < 40 ? size : 40, "\"ok\":true", 9)) held++;
    else if (refused++ == 0) fprintf(stderr, "refused: %.*s\n", (int)(size < 300 ? size : 300), text);
    add_delay(&answers, now_us() - asked_us[c - clients]);
    under_way--;
    hold_more();
    return;
  }
  const char *found = memmem(text, size, "\"epoch\":\"", 9);
  if (found) {
    sscanf(found + 9, "%63[^\"]", epoch);
    int64_t known = number_after(text, size, "\"version\":");
    if (known > version) version = known;
  } else if (!memmem(text, size, "\"ok\":true", 9)) {
    fprintf(stderr, "not let in: %.*s\n", (int)(size < 300 ? size : 300), text);
  }
  c->stage = IN;
  if (++joined == count) printf("{\"joined\":%d,\"seconds\":%.3f}\n", joined, (double)(now_us() - since_us) / 1e6);
  start_next();
}

static void take(struct client *c, const char *text, size_t size) {
  bytes += size;
  if (text[0] == '0') say(c, "40", 2), c->stage = OPENED;
  else if (text[0] == '2') say(c, "3", 1);
  else if (text[0] == '4' && text[1] == '0') c->stage = NAMED, watch(c, 0);
  else if (text[0] == '4' && text[1] == '3') answered(c, text, size);
  else if (size > 18 && memcmp(text, "42[\"seats:changed\"", 18) == 0) news(c, text, size);
}

static void leave(struct client *c) {
  close(c->fd);
  c->fd = -1;
  c->stage = GONE;
  lost++;
}

/* Handle the complete frames of what was read; return how many bytes were used. */
static size_t frames_of(struct client *c, const char *data, size_t size) {
  size_t used = 0;
  while (size - used >= 2) {
    const unsigned char *at = (const unsigned char *)data + used;
    size_t length = at[1] & 127, head = 2;
    if (length == 126) head = 4;
    if (length == 127) head = 10;
    if (size - used < head) break;
    if (head == 4) length = (size_t)at[2] << 8 | at[3];
    if (head == 10) for (int n = length = 0; n < 8; n++) length = length << 8 | at[2 + n];
    if (size - used < head + length) break;
    if ((at[0] & 15) == 1 && length > 0) take(c, data + used + head, length);
    used += head + length;
  }
  return used;
}

static void hear(struct client *c) {
  size_t have = c->have, used = 0;
  if (have) {
    memcpy(buffer, c->part, have);
    free(c->part);
    c->part = NULL, c->have = 0;
  }
  ssize_t got = read(c->fd, buffer + have, sizeof buffer - have);
  if (got <= 0) {
    if (got == 0 || errno != EAGAIN) leave(c);
    return;
  }
  size_t size = have + (size_t)got;
  if (c->stage == ASKED) {
    const char *end = memmem(buffer, size, "\r\n\r\n", 4);
    if (end && memcmp(buffer, "HTTP/1.1 101", 12) != 0) fprintf(stderr, "refused: %.60s\n", buffer), exit(1);
    if (end) used = (size_t)(end - buffer) + 4, c->stage = NEW;
  }
  if (c->stage != ASKED) used += frames_of(c, buffer + used, size - used);
  if (used < size && c->stage != GONE) {
    c->have = (uint32_t)(size - used);
    c->part = malloc(c->have);
    memcpy(c->part, buffer + used, c->have);
  }
}

static void mark(void) {
  memset(&delays, 0, sizeof delays);
  memset(&answers, 0, sizeof answers);
  frames = bytes = 0;
  since_us = now_us();
  for (int n = 0; n < count; n++) clients[n].frames = 0;
}

static void report(void) {
  uint32_t least = UINT32_MAX, most = 0;
  for (int n = stalled; n < count; n++) {
    if (clients[n].frames < least) least = clients[n].frames;
    if (clients[n].frames > most) most = clients[n].frames;
  }
  if (record) fflush(record);
  printf("{\"frames\":%llu,\"bytes\":%llu,\"seconds\":%.3f,\"p50_ms\":%.1f,\"p99_ms\":%.1f,\"max_ms\":%.1f,"
         "\"fewest\":%u,\"most\":%u,\"lost\":%d}\n",
         (unsigned long long)frames, (unsigned long long)bytes, (double)(now_us() - since_us) / 1e6,
         percentile_ms(&delays, 0.5), percentile_ms(&delays, 0.99), (double)delays.most_us / 1000.0, least, most, lost);
}

static void obey(char *line) {
  int first, second;
  if (strncmp(line, "mark", 4) == 0) mark();
  else if (strncmp(line, "report", 6) == 0) report();
  else if (strncmp(line, "watch", 5) == 0 || strncmp(line, "catchup", 7) == 0) {
    joined = 0, since_us = now_us();
    for (int n = 0; n < count; n++) watch(&clients[n], line[0] == 'c');
  } else if (sscanf(line, "hold %d %d", &first, &second) == 2) {
    shows = first, expecting = second, held = refused = 0;
    mark();
    hold_more();
  } else if (sscanf(line, "show %127s", name) == 1) {
    show = name;
  } else if (sscanf(line, "stall %d", &first) == 1) {
    for (; stalled < first; stalled++) epoll_ctl(poll_fd, EPOLL_CTL_DEL, clients[stalled].fd, NULL);
  }
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  many_files();
  host = argv[1], port = atoi(argv[2]), count = atoi(argv[3]), show = argv[4], window = atoi(argv[5]);
  if (argc > 7) record = fopen(argv[6], "wb"), every = atoi(argv[7]);
  clients = calloc((size_t)count, sizeof *clients);
  asked_us = calloc((size_t)count, sizeof *asked_us);
  poll_fd = epoll_create1(0);
  listen_to(poll_fd, 0, UINT64_MAX);
  mark();
  start_next();
  for (;;) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(poll_fd, events, EVENTS, -1);
    for (int n = 0; n < ready; n++) {
      if (events[n].data.u64 != UINT64_MAX) {
        struct client *c = &clients[events[n].data.u64];
        if (c->stage != GONE) hear(c);
        continue;
      }
      char line[256];
      ssize_t got = read(0, line, sizeof line - 1);
      if (got <= 0) return 0;
      line[got] = 0;
      char *rest = line, *command;
      while ((command = strsep(&rest, "\n")) != NULL) obey(command);
    }
  }
}
