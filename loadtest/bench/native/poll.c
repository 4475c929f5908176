/* Pollers over HTTP: poll HOST PORT COUNT SECONDS PATH [HEADER]
 *
 * COUNT connections request PATH again and again, each after its answer; HEADER is an additional request header.
 * Prints {"answers", "unchanged" (304), "others" (neither 200 nor 304), "bytes", "seconds", "p50_ms", "p99_ms"}.
 */
#include "common.h"

struct poller { int fd; int64_t asked_us; size_t want, got; };
static char buffer[READ], ask[1024];
static int size;
static struct delays delays;

static void request(struct poller *p) {
  p->asked_us = now_us();
  p->want = p->got = 0;
  if (write(p->fd, ask, (size_t)size) != size) perror("write");
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  many_files();
  int count = atoi(argv[3]), poll_fd = epoll_create1(0);
  double seconds = atof(argv[4]);
  uint64_t answers = 0, unchanged = 0, others = 0, bytes = 0;
  size = snprintf(ask, sizeof ask, "GET %s HTTP/1.1\r\nHost: %s:%s\r\nAccept-Encoding: gzip, deflate\r\n%s%s\r\n", argv[5],
                  argv[1], argv[2], argc > 6 ? argv[6] : "", argc > 6 ? "\r\n" : "");
  struct poller *pollers = calloc((size_t)count, sizeof *pollers);
  for (int n = 0; n < count; n++) {
    pollers[n].fd = open_link(argv[1], atoi(argv[2]));
    listen_to(poll_fd, pollers[n].fd, (uint64_t)n);
  }
  int64_t began = now_us();
  for (int n = 0; n < count; n++) request(&pollers[n]);
  while ((double)(now_us() - began) < seconds * 1e6) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(poll_fd, events, EVENTS, 100);
    for (int n = 0; n < ready; n++) {
      struct poller *p = &pollers[events[n].data.u64];
      ssize_t got = read(p->fd, buffer, sizeof buffer - 1);
      if (got <= 0) {
        fprintf(stderr, "a connection was closed\n");
        return 1;
      }
      bytes += (uint64_t)got;
      p->got += (size_t)got;
      if (p->want == 0) {
        /* Assumes that the head of an answer arrives in one read. */
        buffer[got] = 0;
        const char *end = strstr(buffer, "\r\n\r\n"), *length = strcasestr(buffer, "content-length: ");
        if (!end) continue;
        p->want = (size_t)(end - buffer) + 4 + (length && length < end ? (size_t)atoll(length + 16) : 0);
        int status = atoi(buffer + 9);
        unchanged += status == 304;
        others += status != 200 && status != 304;
        if (status == 304) p->want = (size_t)(end - buffer) + 4;
      }
      if (p->got < p->want) continue;
      add_delay(&delays, now_us() - p->asked_us);
      answers++;
      request(p);
    }
  }
  printf("{\"answers\":%llu,\"unchanged\":%llu,\"others\":%llu,\"bytes\":%llu,\"seconds\":%.3f,\"p50_ms\":%.1f,\"p99_ms\":%.1f}\n",
         (unsigned long long)answers, (unsigned long long)unchanged, (unsigned long long)others, (unsigned long long)bytes,
         (double)(now_us() - began) / 1e6, percentile_ms(&delays, 0.5), percentile_ms(&delays, 0.99));
  return 0;
}
