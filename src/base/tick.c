/* tick: printing and parsing of wall-clock times.
 * Not here: reading a clock.
 * RFC 3339. */
#include "base/tick.h"

#include <stdio.h>

/* Days since 1970-01-01 of a proleptic Gregorian date, and back. Months are counted from March, so
 * that the leap day is the last day of a year. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct wall_date date_of(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    return (struct wall_date){
        .year = (int)(year_of_era + era * 400 + (month <= 2)),
        .month = month,
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
    };
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

struct wall_date wall_date_of(struct wall t)
{
    return date_of(floor_div(t.ns, 86400 * NS_PER_S));
}

struct wall_text wall_print(struct wall t)
{
    struct wall_text text;
    int64_t ms = floor_div(t.ns, NS_PER_MS);
    int64_t days = floor_div(ms, 86400000);
    int in_day = (int)(ms - days * 86400000);
    struct wall_date d = date_of(days);
    (void)snprintf(text.s, sizeof text.s, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", d.year, d.month,
                   d.day, in_day / 3600000, in_day / 60000 % 60, in_day / 1000 % 60, in_day % 1000);
    return text;
}

/* Exactly n digits off the front. */
static bool take_digits(struct view *v, size_t n, int *out)
{
    uint32_t value;
    if (v->len < n || !view_parse_u32(view_take(*v, n), &value))
        return false;
    *v = view_skip(*v, n);
    *out = (int)value;
    return true;
}

static bool take_char(struct view *v, char c)
{
    if (v->len == 0 || v->at[0] != c)
        return false;
    *v = view_skip(*v, 1);
    return true;
}

static int64_t take_fraction(struct view *v)
{
    int64_t ns = 0, unit = NS_PER_S;
    if (!take_char(v, '.'))
        return 0;
    while (v->len && v->at[0] >= '0' && v->at[0] <= '9') {
        unit /= 10;
        ns += unit * (v->at[0] - '0');
        *v = view_skip(*v, 1);
    }
    return ns;
}

/* Minutes east of UTC. No zone at all is taken as UTC: Oracle writes none. */
static bool take_zone(struct view *v, int *minutes)
{
    *minutes = 0;
    if (v->len == 0 || take_char(v, 'Z') || take_char(v, 'z'))
        return v->len == 0;
    int sign = v->at[0] == '-' ? -1 : 1, hours, rest;
    if (!take_char(v, '+') && !take_char(v, '-'))
        return false;
    if (!take_digits(v, 2, &hours))
        return false;
    (void)take_char(v, ':'); /* OpenSIPS writes +0000 */
    if (!take_digits(v, 2, &rest) || v->len || hours > 23 || rest > 59)
        return false;
    *minutes = sign * (hours * 60 + rest);
    return true;
}

bool wall_parse(struct view text, struct wall *out)
{
    struct view v = view_trim(text);
    int year, month, day, hour, minute, second, zone;
    if (!take_digits(&v, 4, &year) || !take_char(&v, '-') || !take_digits(&v, 2, &month) ||
        !take_char(&v, '-') || !take_digits(&v, 2, &day))
        return false;
    if (!take_char(&v, 'T') && !take_char(&v, 't') && !take_char(&v, ' '))
        return false;
    if (!take_digits(&v, 2, &hour) || !take_char(&v, ':') || !take_digits(&v, 2, &minute) ||
        !take_char(&v, ':') || !take_digits(&v, 2, &second))
        return false;
    int64_t fraction = take_fraction(&v);
    if (!take_zone(&v, &zone) || month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 ||
        minute > 59 || second > 60)
        return false;
    /* Years that int64 nanoseconds cannot hold are no time of a call. */
    if (year < 1700 || year > 2250)
        return false;
    int64_t seconds =
        days_of(year, month, day) * 86400 + hour * 3600 + (minute - zone) * 60 + second;
    out->ns = seconds * NS_PER_S + fraction;
    return true;
}
