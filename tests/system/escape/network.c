/* Attempts to send anything anywhere but to the door. */
#include "escape.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(int type, const char *address, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return errno;
    (void)inet_pton(AF_INET, address, &to.sin_addr);
    if (type == SOCK_DGRAM)
        return errno_of(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
    return errno_of(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int tcp_out(const struct target *target)
{
    (void)target;
    return connect_to(SOCK_STREAM, "192.0.2.1", 443);
}

static int udp_dns(const struct target *target)
{
    (void)target;
    return connect_to(SOCK_DGRAM, "192.0.2.53", 53);
}

static int tcp_metadata(const struct target *target)
{
    (void)target;
    return connect_to(SOCK_STREAM, "169.254.169.254", 80);
}

static int tcp_private(const struct target *target)
{
    (void)target;
    return connect_to(SOCK_STREAM, "10.0.0.1", 22);
}

static int tcp_broadcast(const struct target *target)
{
    (void)target;
    return connect_to(SOCK_DGRAM, "255.255.255.255", 67);
}

/* The cell's loopback is its own: nothing of the host listens there. */
static int tcp_host_loopback(const struct target *target)
{
    for (int port = 1; port < 1024; port++) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons((unsigned short)port)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int result;

        if (port == target->door)
            continue;
        if (fd < 0)
            return errno;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        result = errno_of(connect(fd, (struct sockaddr *)&to, sizeof(to)));
        (void)close(fd);
        if (result != ECONNREFUSED)
            return result;
    }
    return ECONNREFUSED;
}

static int tcp_six(const struct target *target)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);

    (void)target;
    if (fd < 0)
        return errno;
    (void)inet_pton(AF_INET6, "2001:db8::1", &to.sin6_addr);
    return errno_of(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

#define SOCKETS(function, ...)                                                                \
    static int function(const struct target *target)                                          \
    {                                                                                         \
        (void)target;                                                                         \
        return errno_of_fd(socket(__VA_ARGS__));                                              \
    }

SOCKETS(raw_socket, AF_INET, SOCK_RAW, IPPROTO_ICMP)
SOCKETS(packet_socket, AF_PACKET, SOCK_RAW, 0)
SOCKETS(vsock_socket, 40 /* AF_VSOCK */, SOCK_STREAM, 0)
SOCKETS(alg_socket, 38 /* AF_ALG */, SOCK_SEQPACKET, 0)
SOCKETS(bluetooth_socket, 31 /* AF_BLUETOOTH */, SOCK_RAW, 0)
SOCKETS(filter_socket, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER)
SOCKETS(audit_socket, AF_NETLINK, SOCK_RAW, NETLINK_AUDIT)
SOCKETS(uevent_socket, AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT)

/* Asks for a new interface; the answer is an error of netlink's. */
static int add_interface(const struct target *target)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg info;
        char room[64];
    } request = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                            .nlmsg_type = RTM_NEWLINK,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK}};
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char room[512];
    } answer = {0};
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

    (void)target;
    if (fd < 0)
        return errno;
    if (send(fd, &request, request.header.nlmsg_len, 0) < 0 ||
        recv(fd, &answer, sizeof(answer), 0) < 0)
        return errno;
    return answer.header.nlmsg_type == NLMSG_ERROR ? -answer.error.error : GOT_THROUGH;
}

static int down_loopback(const struct target *target)
{
    struct ifreq request = {.ifr_name = "lo"};

    (void)target;
    return errno_of(ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &request));
}

static int other_interfaces(const struct target *target)
{
    char name[IF_NAMESIZE];

    (void)target;
    for (unsigned i = 1; i < 64; i++)
        if (if_indextoname(i, name) != NULL && strcmp(name, "lo") != 0) {
            struct ifreq request = {0};

            /* Tunnel devices that modules leave in every namespace are down and unusable. */
            memcpy(request.ifr_name, name, sizeof(name));
            if (ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCGIFFLAGS, &request) == 0 &&
                (request.ifr_flags & IFF_UP) != 0)
                return GOT_THROUGH;
        }
    return HELD;
}

/* Any abstract socket that is not of this cell. /proc/net/unix shows those of the namespace.
 */
static int abstract_sockets(const struct target *target)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "\0/tmp/.X11-unix/X0"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)target;
    return errno_of(connect(fd, (struct sockaddr *)&to,
                            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 19)));
}

static int system_bus(const struct target *target)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/run/dbus/system_bus_socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)target;
    return errno_of(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

/* What is a pair needs no connect to send elsewhere, and may send descriptors along. */
static int send_from_pair(const struct target *target)
{
    static const char *const paths[] = {"/run/systemd/journal/dev-log", "/run/systemd/notify",
                                        "/run/custody-escape.socket"};
    static const int types[] = {SOCK_DGRAM, SOCK_RAW};
    int result = ENOENT;

    (void)target;
    for (size_t i = 0; i < COUNT(types); i++)
        for (size_t j = 0; j < COUNT(paths); j++) {
            struct sockaddr_un to = {.sun_family = AF_UNIX};
            int ends[2];

            (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", paths[j]);
            if (socketpair(AF_UNIX, types[i], 0, ends) < 0)
                result = errno;
            else
                result =
                    errno_of(sendto(ends[0], "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
            if (result != ENOENT && result != EPERM)
                return result;
        }
    return result;
}

/* A method that is no provider's: the door must refuse it, and say so in the ledger. */
static int misuse_door(const struct target *target)
{
    static const char request[] =
        "CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1:443\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET};
    char answer[64] = {0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (target->door == 0)
        return NOT_TRIED;
    to.sin_port = htons((unsigned short)target->door);
    (void)inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        return errno;
    if (send(fd, request, sizeof(request) - 1, 0) < 0)
        return errno;
    if (recv(fd, answer, sizeof(answer) - 1, 0) <= 0)
        return HELD; /* hung up on */
    return strncmp(answer, "HTTP/1.1 2", 10) == 0 ? GOT_THROUGH : HELD;
}

const struct attempt attempts_on_network[] = {
    {"internet-tcp", "connects to 192.0.2.1:443", tcp_out, {ENETUNREACH}, SILENT},
    {"internet-dns", "asks 192.0.2.53 for a name", udp_dns, {ENETUNREACH}, SILENT},
    {"internet-six",
     "connects to 2001:db8::1",
     tcp_six,
     {ENETUNREACH, EAFNOSUPPORT, EADDRNOTAVAIL},
     SILENT},
    {"metadata", "connects to 169.254.169.254", tcp_metadata, {ENETUNREACH}, SILENT},
    {"private-network", "connects to 10.0.0.1", tcp_private, {ENETUNREACH}, SILENT},
    {"broadcast", "broadcasts", tcp_broadcast, {ENETUNREACH, EACCES}, SILENT},
    {"host-loopback",
     "tries the ports of the host's loopback",
     tcp_host_loopback,
     {ECONNREFUSED},
     SILENT},
    {"raw-socket", "raw IP", raw_socket, {ENOSYS, EPERM}, SILENT},
    {"packet-socket", "AF_PACKET", packet_socket, {ENOSYS, EPERM}, SILENT},
    {"vsock", "AF_VSOCK, to the hypervisor", vsock_socket, {ENOSYS, EPERM}, SILENT},
    {"alg-socket", "AF_ALG", alg_socket, {ENOSYS, EPERM}, SILENT},
    {"bluetooth", "AF_BLUETOOTH", bluetooth_socket, {ENOSYS, EPERM}, SILENT},
    {"netlink-filter", "the packet filter", filter_socket, {ENOSYS, EPERM}, SILENT},
    {"netlink-audit", "the audit system", audit_socket, {ENOSYS, EPERM}, SILENT},
    {"netlink-uevent", "device events", uevent_socket, {ENOSYS, EPERM}, SILENT},
    {"add-interface", "adds an interface", add_interface, {EPERM}, SILENT},
    {"down-loopback", "takes the loopback down", down_loopback, {EPERM}, SILENT},
    {"other-interfaces",
     "looks for an interface that is up",
     other_interfaces,
     {HELD},
     SILENT},
    {"abstract-socket",
     "an abstract socket of the host (X11)",
     abstract_sockets,
     {ECONNREFUSED, EPERM},
     SILENT},
    {"system-bus", "the system's message bus", system_bus, {ENOENT}, SILENT},
    {"pair-send",
     "sends to a socket of the host from an end of a pair",
     send_from_pair,
     {ENOENT, EPERM},
     SILENT},
    {"door-misuse", "asks the door to CONNECT elsewhere", misuse_door, {HELD}, BY_DOOR},
};
const size_t attempts_on_network_count = COUNT(attempts_on_network);
