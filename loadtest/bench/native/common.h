/* Shared by the programs of the benchmarks: clocks, a histogram of delays, reading numbers from JSON. */
#ifndef COMMON_H
#define COMMON_H
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, READ = 1 << 18, STEP_US = 100, STEPS = 200000 };

static inline int64_t clock_us(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
static inline int64_t now_us(void) { return clock_us(CLOCK_REALTIME); }

/* Delays in steps of 0.1 ms up to 20 s. */
struct delays { uint32_t count[STEPS]; uint64_t total; int64_t most_us; };

static inline void add_delay(struct delays *d, int64_t us) {
  if (us < 0) us = 0;
  int64_t step = us / STEP_US;
  d->count[step < STEPS ? step : STEPS - 1]++;
  d->total++;
  if (us > d->most_us) d->most_us = us;
}
static inline double percentile_ms(const struct delays *d, double share) {
  uint64_t want = (uint64_t)((double)d->total * share), seen = 0;
  for (int step = 0; step < STEPS; step++) {
    seen += d->count[step];
    if (seen > want) return (double)(step + 1) * STEP_US / 1000.0;
  }
  return (double)d->most_us / 1000.0;
}

/* The number that follows `key` in text, or -1. */
static inline int64_t number_after(const char *text, size_t size, const char *key) {
  const char *found = memmem(text, size, key, strlen(key));
  return found ? atoll(found + strlen(key)) : -1;
}

static inline void many_files(void) {
  struct rlimit most;
  getrlimit(RLIMIT_NOFILE, &most);
  most.rlim_cur = most.rlim_max;
  setrlimit(RLIMIT_NOFILE, &most);
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, NULL, _IOLBF, 0);
}

static inline int open_link(const char *host, int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, host, &to.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
    perror("connect");
    exit(1);
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

static inline void listen_to(int poll, int fd, uint64_t what) {
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = what};
  epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}
#endif
