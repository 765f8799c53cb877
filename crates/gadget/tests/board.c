/* A board without hardware, preloaded below a real command: what the command puts on the wires goes into the file
   $BOARD_LOG, one line a write, and what hands do comes out of pipes.

     /dev/i2c-*        "i 3c af01..": a message to an address. Only $BOARD_I2C answers, and nobody while the file
                       $BOARD_UNPLUGGED exists
     /dev/spidev*      "d ff00..": bytes, "c ..." with the data/command line low, "r ..." while the reset line is low
     /dev/gpiochip*    an output is remembered by its line: $BOARD_DC and $BOARD_RESET are those of the display. A line
                       that was let go is low, as it may be. Edges of inputs are read from the pipe $BOARD_EDGES
     $BOARD_READER     a pipe that answers like an input device
   $BOARD_REFUSES is the number of an error with which lines are not given. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <linux/spi/spidev.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define FILES 4096
/* What a file stands for: a line that is driven (its number and one), or none. */
static int driven[FILES];
static int data_command, reset;

static int number(const char *name, int otherwise) {
    const char *value = getenv(name);
    return value ? (int)strtol(value, NULL, 0) : otherwise;
}

static void note(const char *prefix, const uint8_t *bytes, size_t length) {
    FILE *log = fopen(getenv("BOARD_LOG"), "a");
    fputs(prefix, log);
    for (size_t at = 0; at < length; at++) fprintf(log, "%02x", bytes[at]);
    fputs("\n", log);
    fclose(log);
}

static int is_board(const char *path) {
    return !strncmp(path, "/dev/i2c-", 9) || !strncmp(path, "/dev/spidev", 11) || !strncmp(path, "/dev/gpiochip", 13);
}

static int open_any(const char *symbol, const char *path, int flags, mode_t mode) {
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, symbol);
    const char *reader = getenv("BOARD_READER");
    /* For reading only, a pipe ends when the other side lets go: the reader is unplugged. */
    if (reader && !strcmp(path, reader)) return real(path, O_RDONLY | O_CLOEXEC, 0);
    return is_board(path) ? real("/dev/null", O_RDWR | O_CLOEXEC, 0) : real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return open_any("open64", path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return open_any("open", path, flags, mode);
}

char *realpath(const char *path, char *resolved) {
    char *(*real)(const char *, char *) = dlsym(RTLD_NEXT, "realpath");
    if (strncmp(path, "/dev/gpiochip", 13)) return real(path, resolved);
    return resolved ? strcpy(resolved, path) : strdup(path);
}

int close(int file) {
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    if (file >= 0 && file < FILES && driven[file]) {
        if (driven[file] - 1 == number("BOARD_DC", -1)) data_command = 0;
        if (driven[file] - 1 == number("BOARD_RESET", -1)) reset = 0;
        driven[file] = 0;
    }
    return real(file);
}

static int i2c(struct i2c_rdwr_ioctl_data *data) {
    for (unsigned at = 0; at < data->nmsgs; at++) {
        struct i2c_msg *message = &data->msgs[at];
        const char *unplugged = getenv("BOARD_UNPLUGGED");
        if (message->addr != number("BOARD_I2C", -1) || (unplugged && !access(unplugged, F_OK))) {
            errno = ENXIO;
            return -1;
        }
        if (message->flags & I2C_M_RD) {
            memset(message->buf, 0, message->len);
            continue;
        }
        char prefix[16];
        snprintf(prefix, sizeof prefix, "i %02x ", message->addr);
        note(prefix, message->buf, message->len);
    }
    return (int)data->nmsgs;
}

static int spi(unsigned long request, const struct spi_ioc_transfer *transfers) {
    if (_IOC_NR(request) != 0) return 0; /* Mode, speed and width. */
    int bytes = 0;
    for (size_t at = 0; at < _IOC_SIZE(request) / sizeof *transfers; at++) {
        const char *prefix = !reset && getenv("BOARD_RESET") ? "r " : data_command ? "d " : "c ";
        note(prefix, (const uint8_t *)(uintptr_t)transfers[at].tx_buf, transfers[at].len);
        bytes += (int)transfers[at].len;
    }
    return bytes;
}

static void drive(int line, int high) {
    if (line == number("BOARD_DC", -1)) data_command = high;
    if (line != number("BOARD_RESET", -1)) return;
    if (reset != high) note(high ? "reset up" : "reset down", NULL, 0);
    reset = high;
}

static int lines(struct gpio_v2_line_request *wanted) {
    if (getenv("BOARD_REFUSES")) {
        errno = number("BOARD_REFUSES", 0);
        return -1;
    }
    if (wanted->config.flags & GPIO_V2_LINE_FLAG_INPUT) {
        wanted->fd = open(getenv("BOARD_EDGES"), O_RDONLY | O_CLOEXEC);
        return wanted->fd < 0 ? -1 : 0;
    }
    wanted->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (wanted->fd < 0 || wanted->fd >= FILES) return -1;
    driven[wanted->fd] = (int)wanted->offsets[0] + 1;
    int high = 0;
    for (unsigned at = 0; at < wanted->config.num_attrs; at++)
        if (wanted->config.attrs[at].attr.id == GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES)
            high = wanted->config.attrs[at].attr.values & 1;
    drive((int)wanted->offsets[0], high);
    return 0;
}

static int gpio(int file, unsigned long request, void *argument) {
    struct gpio_v2_line_values *values = argument;
    switch (request) {
        case GPIO_V2_GET_LINE_IOCTL:
            return lines(argument);
        case GPIO_V2_LINE_GET_VALUES_IOCTL:
            values->bits = values->mask; /* Open contacts, pulled up. */
            return 0;
        case GPIO_V2_LINE_SET_VALUES_IOCTL:
            if (file < FILES && driven[file]) drive(driven[file] - 1, values->bits & 1);
            return 0;
        default:
            errno = EINVAL;
            return -1;
    }
}

int ioctl(int file, unsigned long request, ...) {
    va_list more;
    va_start(more, request);
    void *argument = va_arg(more, void *);
    va_end(more);
    /* Which address, and without checksums: all that is asked of a bus before it is used. */
    if (request == I2C_SLAVE || request == I2C_SLAVE_FORCE || request == I2C_PEC) return 0;
    if (request == I2C_RDWR) return i2c(argument);
    switch (_IOC_TYPE(request)) {
        case SPI_IOC_MAGIC:
            return spi(request, argument);
        case 0xb4:
            return gpio(file, request, argument);
        case 'E': /* An input device that says nothing of itself, and may be had alone. */
            if (_IOC_DIR(request) & _IOC_READ) memset(argument, 0, _IOC_SIZE(request));
            return 0;
    }
    int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return real(file, request, argument);
}
