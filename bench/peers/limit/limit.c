// limit: as little as a server can do to give a message to many readers. It
// takes messages by POST, and writes each request's, ready framed for
// WebSocket, to all readers in one write(2) each. No logs, no queues, no
// promise: what it needs, every server that writes to each reader needs at
// least.
//
//   limit BYTES     the size of a message; a request may hold several
//
// It prints where it listens and ends with SIGTERM. What does not go as planned
// ends it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { most = 100000, room = 1 << 16 };

static int readers[most], count;
static size_t message;

static const char upgrade[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
static const char accepted[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

// take reads a request, until there is a body of its Content-Length behind the
// head; it returns the body's length, or -1 when the client has left.
static ssize_t take(int fd, char *in, char **body) {
  for (size_t n = 0;;) {
    ssize_t got = read(fd, in + n, room - 1 - n);
    if (got <= 0) return -1;
    in[n += got] = 0;
    char *end = strstr(in, "\r\n\r\n");
    if (!end) continue;
    char *length = strcasestr(in, "\r\nContent-Length:");
    size_t want = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    *body = end + 4;
    if (want > room / 2) errx(1, "a request of %zu bytes is too long", want);
    if (n >= (size_t)(*body - in) + want) return want;
  }
}

static void deliver(const char *body, size_t length) {
  static char out[2 * room];
  size_t n = 0;
  for (size_t i = 0; i + message <= length; i += message) {
    out[n++] = (char)0x81;
    if (message < 126) {
      out[n++] = message;
    } else {
      out[n++] = 126;
      out[n++] = message >> 8;
      out[n++] = message & 255;
    }
    memcpy(out + n, body + i, message);
    n += message;
  }
  for (int i = 0; i < count; i++) {
    if (write(readers[i], out, n) != (ssize_t)n) { // it blocks while there is no room
      close(readers[i]);
      readers[i--] = readers[--count];
    }
  }
}

int main(int argc, char **argv) {
  static char in[room];
  if (argc != 2 || (message = strtoul(argv[1], NULL, 10)) < 1) errx(2, "usage: limit BYTES");
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  if (listener < 0 || bind(listener, (struct sockaddr *)&at, size) || listen(listener, 4096) ||
      getsockname(listener, (struct sockaddr *)&at, &size))
    err(1, "listening");
  printf("listening on 127.0.0.1:%d\n", ntohs(at.sin_port));
  fflush(stdout);

  int poll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    if (epoll_wait(poll, &event, 1, -1) < 1) continue;
    int fd = event.data.fd;
    if (fd == listener) {
      if ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0) err(1, "accept");
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
      epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
      continue;
    }
    char *body = NULL;
    ssize_t length = take(fd, in, &body);
    if (length < 0) {
      close(fd);
    } else if (in[0] == 'P') {
      if (write(fd, accepted, sizeof accepted - 1) < 0) close(fd);
      deliver(body, length);
    } else { // from now on it is only written to
      epoll_ctl(poll, EPOLL_CTL_DEL, fd, NULL);
      if (count == most) errx(1, "more than %d readers", most);
      if (write(fd, upgrade, sizeof upgrade - 1) < 0) err(1, "answering");
      readers[count++] = fd;
    }
  }
}
