/* board: what the daemon shows and the API wants, under one short lock.
 * Not here: HTTP.
 * RFC: none. */
#include "api/board.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define BOARD_SRCS 256
/* Something that is published when it is asked for. */
struct page {
    uint64_t asked, answered; /* numbers of the last question and of the last it covers */
    uint64_t taken;           /* the last question that api_board_take has handed on */
    char *text;
};

struct api_board {
    pthread_mutex_t lock;
    pthread_cond_t published;
    int fd;
    unsigned wants;
    struct page sessions, nat;
    struct api_health health;
    bool has_health;
    struct uuid srcs[BOARD_SRCS]; /* to be forgotten; a ring, whose oldest give way */
    size_t srcs_first, srcs_count;
};

struct api_board *api_board_create(void)
{
    pthread_condattr_t monotonic;
    struct api_board *board = calloc(1, sizeof *board);
    if (!board)
        return NULL;
    board->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (board->fd < 0) {
        int error = errno;
        free(board);
        errno = error;
        return NULL;
    }
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&board->published, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&board->lock, NULL);
    return board;
}

void api_board_destroy(struct api_board *board)
{
    if (!board)
        return;
    close(board->fd);
    pthread_cond_destroy(&board->published);
    pthread_mutex_destroy(&board->lock);
    free(board->sessions.text);
    free(board->nat.text);
    free(board);
}

int api_board_fd(const struct api_board *board)
{
    return board->fd;
}

unsigned api_board_take(struct api_board *board)
{
    uint64_t count;
    /* Nothing to read means nothing was wanted. */
    ssize_t n = read(board->fd, &count, sizeof count);
    (void)n;
    pthread_mutex_lock(&board->lock);
    unsigned wants = board->wants;
    board->wants = 0;
    if (wants & API_WANT_SESSIONS)
        board->sessions.taken = board->sessions.asked;
    if (wants & API_WANT_NAT)
        board->nat.taken = board->nat.asked;
    pthread_mutex_unlock(&board->lock);
    return wants;
}

static int publish(struct api_board *board, struct page *page, struct view json)
{
    char *copy = malloc(json.len + 1);
    if (!copy)
        return ENOMEM;
    if (json.len > 0)
        memcpy(copy, json.at, json.len);
    copy[json.len] = '\0';
    pthread_mutex_lock(&board->lock);
    char *old = page->text;
    page->text = copy;
    page->answered = page->taken;
    pthread_cond_broadcast(&board->published);
    pthread_mutex_unlock(&board->lock);
    free(old);
    return 0;
}

int api_board_publish_sessions(struct api_board *board, struct view json)
{
    return publish(board, &board->sessions, json);
}

int api_board_publish_nat(struct api_board *board, struct view json)
{
    return publish(board, &board->nat, json);
}

void api_board_set_health(struct api_board *board, const struct api_health *health)
{
    pthread_mutex_lock(&board->lock);
    board->health = *health;
    board->has_health = true;
    pthread_mutex_unlock(&board->lock);
}

static void want_locked(struct api_board *board, enum api_want want)
{
    uint64_t one = 1;
    board->wants |= want;
    /* Full means that it is readable anyway. */
    ssize_t n = write(board->fd, &one, sizeof one);
    (void)n;
}

bool api_board_take_src(struct api_board *board, struct uuid *out)
{
    pthread_mutex_lock(&board->lock);
    bool any = board->srcs_count > 0;
    if (any) {
        *out = board->srcs[board->srcs_first];
        board->srcs_first = (board->srcs_first + 1) % BOARD_SRCS;
        board->srcs_count--;
    }
    pthread_mutex_unlock(&board->lock);
    return any;
}

void api_board_forget_src(struct api_board *board, const struct uuid *id)
{
    pthread_mutex_lock(&board->lock);
    if (board->srcs_count == BOARD_SRCS) {
        board->srcs_first = (board->srcs_first + 1) % BOARD_SRCS;
        board->srcs_count--;
    }
    board->srcs[(board->srcs_first + board->srcs_count++) % BOARD_SRCS] = *id;
    want_locked(board, API_WANT_FORGET);
    pthread_mutex_unlock(&board->lock);
}

void api_board_want(struct api_board *board, enum api_want want)
{
    pthread_mutex_lock(&board->lock);
    want_locked(board, want);
    pthread_mutex_unlock(&board->lock);
}

static char *ask(struct api_board *board, struct page *page, enum api_want want,
                 unsigned timeout_ms)
{
    struct timespec end;
    char *copy = NULL;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_ms / 1000;
    end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&board->lock);
    uint64_t mine = ++page->asked;
    want_locked(board, want);
    while (page->answered < mine) {
        if (pthread_cond_timedwait(&board->published, &board->lock, &end) == ETIMEDOUT)
            break;
    }
    if (page->answered >= mine)
        copy = strdup(page->text);
    pthread_mutex_unlock(&board->lock);
    return copy;
}

char *api_board_sessions(struct api_board *board, unsigned timeout_ms)
{
    return ask(board, &board->sessions, API_WANT_SESSIONS, timeout_ms);
}

char *api_board_nat(struct api_board *board, unsigned timeout_ms)
{
    return ask(board, &board->nat, API_WANT_NAT, timeout_ms);
}

bool api_board_health(struct api_board *board, struct api_health *out)
{
    pthread_mutex_lock(&board->lock);
    *out = board->health;
    bool has = board->has_health;
    pthread_mutex_unlock(&board->lock);
    return has;
}
