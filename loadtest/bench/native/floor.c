/* The lower bound of the benchmarks: the same bytes with a bare send() to as many sockets. floor PORT
 *
 * Accepts WebSocket clients with the fewest possible messages. Commands on stdin, each answered with a line of JSON:
 *   send RATE SECONDS   send to all RATE times a second (0: as fast as possible); prints {"turns"}
 */
#include "common.h"

static int sockets[65536], count, poll_fd;
static char buffer[READ];

static void answer(int fd, const char *text) {
  char frame[64];
  size_t size = strlen(text);
  frame[0] = (char)0x81, frame[1] = (char)size;
  memcpy(frame + 2, text, size);
  send(fd, frame, size + 2, 0);
}

/* The clients send short messages one at a time: an upgrade, "40", a watch, pongs. */
static void read_client(int fd) {
  static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  ssize_t got = read(fd, buffer, sizeof buffer);
  if (got <= 0) {
    if (got == 0 || errno != EAGAIN) epoll_ctl(poll_fd, EPOLL_CTL_DEL, fd, NULL);
    return;
  }
  if (memcmp(buffer, "GET ", 4) == 0) {
    send(fd, upgraded, sizeof upgraded - 1, 0);
    answer(fd, "0{}");
  } else if (memmem(buffer, (size_t)got, "[\"show:watch\"", 13)) {
    sockets[count++] = fd;
    answer(fd, "431[{\"ok\":true}]");
  } else if (memmem(buffer, (size_t)got, "40", 2)) {
    answer(fd, "40{}");
  }
}

static void serve(int listener, int wait_ms) {
  struct epoll_event events[EVENTS];
  int ready = epoll_wait(poll_fd, events, EVENTS, wait_ms);
  for (int n = 0; n < ready; n++) {
    int fd = (int)events[n].data.u64, one = 1;
    if (fd == 0) continue;
    if (fd != listener) {
      read_client(fd);
      continue;
    }
    int fresh = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    setsockopt(fresh, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    listen_to(poll_fd, fresh, (uint64_t)fresh);
  }
}

static size_t frame_of(char *frame, int version) {
  int seat = version % 1000;
  int size = snprintf(frame + 4, 500,
    "42[\"seats:changed\",{\"show\":\"west-konkan-lights-20261123-2355\",\"epoch\":\"019ab\",\"from\":%d,\"version\":%d,"
    "\"held\":[%d,%d],\"sold\":[7,8],\"t\":%lld}]", version - 1, version, seat, seat + 1, (long long)now_us());
  frame[0] = (char)0x81, frame[1] = 126, frame[2] = (char)(size >> 8), frame[3] = (char)size;
  return (size_t)size + 4;
}

static int send_all(int listener, double rate, double seconds) {
  int64_t began = now_us();
  int turns = 0;
  char frame[512];
  for (;;) {
    if ((double)(now_us() - began) > seconds * 1e6 || (rate > 0 && turns >= rate * seconds)) return turns;
    size_t size = frame_of(frame, ++turns);
    for (int n = 0; n < count; n++) send(sockets[n], frame, size, 0);
    double rest = rate > 0 ? turns / rate * 1e3 - (double)(now_us() - began) / 1e3 : 0;
    serve(listener, rest > 0 ? (int)rest : 0);
  }
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  many_files();
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0 || listen(listener, 4096) < 0) return 1;
  poll_fd = epoll_create1(0);
  listen_to(poll_fd, listener, (uint64_t)listener);
  listen_to(poll_fd, 0, 0);
  fcntl(0, F_SETFL, O_NONBLOCK);
  puts("{\"ready\":true}");
  for (;;) {
    char line[256];
    double rate, seconds;
    serve(listener, -1);
    ssize_t got = read(0, line, sizeof line - 1);
    if (got == 0) return 0;
    if (got < 0) continue;
    line[got] = 0;
    if (sscanf(line, "send %lf %lf", &rate, &seconds) == 2) printf("{\"turns\":%d}\n", send_all(listener, rate, seconds));
  }
}
