/* The endpoint of the benchmarks: answers every request with the same JSON, as cheaply as it can be done,
   and notes when which poll asked.
   Usage: endpoint PORT LOG. One thread, epoll, keep-alive; a request is taken to arrive in one read.
   LOG gets, for each request, two native doubles: the number at the end of its path, and the time in seconds. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static const char ANSWER[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{\"status\": \"running\"}";

static int note(int log, const char *request) {
    const char *number = strstr(request, "/polls/");
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double entry[2] = {number ? atof(number + 7) : -1, now.tv_sec + now.tv_nsec / 1e9};
    return write(log, entry, sizeof entry) == sizeof entry;
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int log = open(arguments[2], O_WRONLY | O_CREAT | O_APPEND, 0600);
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (log < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) return 1;
    int loop = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
    static char request[65536];
    for (;;) {
        int ready = epoll_wait(loop, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            ssize_t size;
            if (fd == listener) {
                int client = accept(listener, NULL, NULL);
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                event.data.fd = client;
                epoll_ctl(loop, EPOLL_CTL_ADD, client, &event);
                continue;
            }
            if ((size = read(fd, request, sizeof request - 1)) > 0) {
                request[size] = 0;
                if (note(log, request) && write(fd, ANSWER, sizeof ANSWER - 1) > 0) continue;
            }
            close(fd);
        }
    }
}
