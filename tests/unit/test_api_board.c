/* Tests of api/board: what is wanted wakes the daemon,
 * and an answer older than its question does not count. */
#include "api/board.h"

#include <poll.h>
#include <pthread.h>

#include "tap.h"

static bool is_readable(struct api_board *board)
{
    struct pollfd fd = {.fd = api_board_fd(board), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

static void *daemon_thread(void *argument)
{
    struct api_board *board = argument;
    struct pollfd fd = {.fd = api_board_fd(board), .events = POLLIN};
    bool served = false;
    while (!served && poll(&fd, 1, 10000) == 1) {
        if (api_board_take(board) & API_WANT_SESSIONS)
            served = api_board_publish_sessions(board, VIEW_LIT("[2]")) == 0;
    }
    return NULL;
}

static void test_sessions(void)
{
    struct api_board *board = api_board_create();
    pthread_t thread;
    if (!CHECK(board))
        return;
    /* Published before anybody asked. */
    CHECK_INT(api_board_publish_sessions(board, VIEW_LIT("[1]")), 0);
    CHECK(api_board_sessions(board, 1) == NULL);
    CHECK(is_readable(board));
    CHECK_INT(api_board_take(board), API_WANT_SESSIONS); /* the thread is to answer the next question */
    CHECK_INT(pthread_create(&thread, NULL, daemon_thread, board), 0);
    char *text = api_board_sessions(board, 10000);
    if (CHECK(text))
        CHECK_TEXT(text, "[2]");
    free(text);
    pthread_join(thread, NULL);
    api_board_destroy(board);
}

static void test_wants(void)
{
    struct api_board *board = api_board_create();
    struct api_health health = {.answering = true, .sessions = 3}, got;
    CHECK(!is_readable(board));
    CHECK_INT(api_board_take(board), 0);
    api_board_want(board, API_WANT_DRAIN);
    CHECK(is_readable(board));
    CHECK_INT(api_board_take(board), API_WANT_DRAIN);
    CHECK(!is_readable(board));
    CHECK(!api_board_health(board, &got));
    api_board_set_health(board, &health);
    CHECK(api_board_health(board, &got));
    CHECK(got.answering && got.sessions == 3 && !got.full);
    api_board_destroy(board);
}

int main(void)
{
    RUN(test_sessions);
    RUN(test_wants);
    return tap_done();
}
