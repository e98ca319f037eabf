-- What DuckDB needs to compute as Spark does with ANSI mode off and the time zone UTC. Times are TIMESTAMPs in UTC.
CREATE MACRO spark_int(x) AS CAST(((CAST(x AS HUGEINT) + 2147483648) & 4294967295) - 2147483648 AS INTEGER);
CREATE MACRO spark_long(x) AS
  CAST(((CAST(x AS HUGEINT) + 9223372036854775808) & 18446744073709551615) - 9223372036854775808 AS BIGINT);
CREATE MACRO spark_short(x) AS CAST(((CAST(x AS HUGEINT) + 32768) & 65535) - 32768 AS SMALLINT);
CREATE MACRO spark_byte(x) AS CAST(((CAST(x AS HUGEINT) + 128) & 255) - 128 AS TINYINT);
CREATE MACRO spark_remainder(a, b) AS
  CASE WHEN b = 0 THEN NULL ELSE CAST(a AS HUGEINT) % CAST(nullif(b, 0) AS HUGEINT) END;
CREATE MACRO spark_div(a, b) AS spark_long(CAST(a AS HUGEINT) // CAST(nullif(b, 0) AS HUGEINT));
-- the sum in between overflows for large negative divisors
CREATE MACRO spark_pmod_int(a, b) AS
  CASE WHEN spark_remainder(a, b) < 0 THEN spark_remainder(spark_int(spark_remainder(a, b) + b), b)
  ELSE spark_remainder(a, b) END;
CREATE MACRO spark_pmod_long(a, b) AS
  CASE WHEN spark_remainder(a, b) < 0 THEN spark_remainder(spark_long(spark_remainder(a, b) + b), b)
  ELSE spark_remainder(a, b) END;
CREATE MACRO spark_divide(a, b) AS CAST(a AS DOUBLE) / nullif(CAST(b AS DOUBLE), 0);
-- a quotient of whole numbers, rounded half away from zero
CREATE MACRO spark_half_up(a, b) AS
  (a // nullif(b, 0)) + CASE WHEN abs(a % nullif(b, 0)) * 2 >= abs(b) THEN sign(a) * sign(b) ELSE 0 END;
CREATE MACRO spark_blank(s) AS trim(s, chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(32) || chr(28)
  || chr(29) || chr(30) || chr(31) || chr(1) || chr(2) || chr(3) || chr(4) || chr(5) || chr(6) || chr(7) || chr(8)
  || chr(14) || chr(15) || chr(16) || chr(17) || chr(18) || chr(19) || chr(20) || chr(21) || chr(22) || chr(23)
  || chr(24) || chr(25) || chr(26) || chr(27) || chr(127));
CREATE MACRO spark_digits(s) AS
  CASE WHEN regexp_full_match(spark_blank(s), '[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)')
  THEN regexp_replace(regexp_replace(spark_blank(s), '\..*$', ''), '^([+-]?)$', '\10') END;
CREATE MACRO spark_text_to_byte(s) AS TRY_CAST(spark_digits(s) AS TINYINT);
CREATE MACRO spark_text_to_short(s) AS TRY_CAST(spark_digits(s) AS SMALLINT);
CREATE MACRO spark_text_to_int(s) AS TRY_CAST(spark_digits(s) AS INTEGER);
CREATE MACRO spark_text_to_long(s) AS TRY_CAST(spark_digits(s) AS BIGINT);
CREATE MACRO spark_hex_part(s, n) AS regexp_extract(spark_blank(s), '^([+-]?)0[xX]([0-9a-fA-F]*)\.?([0-9a-fA-F]*)[pP]([+-]?[0-9]+)[dDfF]?$', n);
CREATE MACRO spark_text_to_double(s) AS
  CASE WHEN regexp_full_match(spark_blank(s), '[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[dDfF]?')
  THEN TRY_CAST(regexp_replace(spark_blank(s), '[dDfF]$', '') AS DOUBLE)
  WHEN regexp_full_match(spark_blank(s), '[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+[dDfF]?')
  THEN CASE WHEN length(spark_hex_part(s, 2) || spark_hex_part(s, 3)) <= 13 AND abs(TRY_CAST(spark_hex_part(s, 4) AS INTEGER)) <= 900
    THEN (CASE WHEN spark_hex_part(s, 1) = '-' THEN -1.0 ELSE 1.0 END) * CAST('0x0' || spark_hex_part(s, 2) || spark_hex_part(s, 3) AS BIGINT)
      * pow(2, CAST(spark_hex_part(s, 4) AS INTEGER) - 4 * length(spark_hex_part(s, 3)))
    ELSE error('the text ' || s || ' is a number in hexadecimal of more than 13 digits or with an exponent beyond 900, which cannot be cast to DOUBLE') END
  WHEN regexp_full_match(lower(spark_blank(s)), '\+?inf(?:inity)?') THEN CAST('inf' AS DOUBLE)
  WHEN regexp_full_match(lower(spark_blank(s)), '-inf(?:inity)?') THEN CAST('-inf' AS DOUBLE)
  WHEN lower(spark_blank(s)) = 'nan' THEN CAST('nan' AS DOUBLE) END;
CREATE MACRO spark_text_to_boolean(s) AS
  CASE WHEN lower(spark_blank(s)) IN ('t', 'true', 'y', 'yes', '1') THEN true
  WHEN lower(spark_blank(s)) IN ('f', 'false', 'n', 'no', '0') THEN false END;
-- days wrap as Java's int does; DuckDB has no dates for the first and the last of them
CREATE MACRO spark_day(n) AS
  CASE WHEN spark_int(n) BETWEEN -2147483646 AND 2147483646 THEN DATE '1970-01-01' + spark_int(n)
  WHEN n IS NOT NULL THEN error('a date ' || n || ' days from 1970-01-01 cannot be represented') END;
CREATE MACRO spark_add_days(d, n) AS spark_day(CAST(d - DATE '1970-01-01' AS HUGEINT) + n);
CREATE MACRO spark_date_piece(s, n) AS CAST(coalesce(nullif(regexp_extract(spark_blank(s),
  '^([+-]?[0-9]{4,7})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[ T](?s:.*))?)?)?$', n), ''), CASE WHEN n > 1 THEN '1' END) AS BIGINT);
CREATE MACRO spark_text_to_date(s) AS
  CASE WHEN spark_date_piece(s, 1) IS NOT NULL
  THEN TRY(make_date(spark_date_piece(s, 1), spark_date_piece(s, 2), spark_date_piece(s, 3))) END;
CREATE MACRO spark_year(d) AS CASE WHEN year(d) BETWEEN 0 AND 9999 THEN printf('%04d', year(d))
  ELSE (CASE WHEN year(d) < 0 THEN '-' ELSE '+' END) || printf('%04d', abs(year(d))) END;
CREATE MACRO spark_date_to_text(d) AS spark_year(d) || strftime(d, '-%m-%d');
-- a time without a date is one of today
CREATE MACRO spark_dated(s) AS CASE WHEN regexp_matches(s, '^(?:T[0-9]{1,2}(?::|$)|[0-9]{1,2}:)')
  THEN strftime(CAST(now() AS TIMESTAMP), '%Y-%m-%d ') || ltrim(s, 'T') ELSE s END;
-- a list of one item binds a name, since what is given to a macro is computed wherever the macro names it
CREATE MACRO spark_piece(s, n) AS CAST(coalesce(nullif(regexp_extract(s,
  '^([+-]?[0-9]{4,6})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[ T]([0-9]{1,2})(?::([0-9]{1,2})(?::([0-9]{1,2})(?:\.([0-9]*))?( *[A-Za-z+-][^\n]*)?)?)?)?)?)?$',
  n), ''), CASE WHEN n IN (2, 3) THEN '1' ELSE '0' END) AS VARCHAR);
CREATE MACRO spark_pieces(s) AS [[spark_piece(x, 1), spark_piece(x, 2), spark_piece(x, 3), spark_piece(x, 4), spark_piece(x, 5),
  spark_piece(x, 6), spark_piece(x, 7), trim(spark_piece(x, 8))] FOR x IN [spark_dated(spark_blank(s))]];
CREATE MACRO spark_offset_part(zone, n) AS CAST(coalesce(nullif(regexp_extract(zone,
  '^(?:UTC|GMT|UT)?([+-])([0-9]{1,2})(?::([0-9]{1,2})(?::([0-9]{2}))?)?$', n), ''), regexp_extract(zone,
  '^(?:UTC|GMT|UT)?([+-])([0-9]{2})([0-9]{2})([0-9]{2})?$', n)) AS VARCHAR);
-- seconds; NULL for an invalid zone
CREATE MACRO spark_offset(zone) AS CASE
  WHEN zone IN ('0', 'Z', 'UTC', 'GMT', 'UT') THEN 0
  WHEN spark_offset_part(zone, 1) <> '' AND coalesce(TRY_CAST(spark_offset_part(zone, 3) AS INTEGER), 0) < 60
    AND coalesce(TRY_CAST(spark_offset_part(zone, 4) AS INTEGER), 0) < 60
  THEN (CASE WHEN spark_offset_part(zone, 1) = '-' THEN -1 ELSE 1 END) * (3600 * CAST(spark_offset_part(zone, 2) AS INTEGER)
    + 60 * coalesce(TRY_CAST(spark_offset_part(zone, 3) AS INTEGER), 0) + coalesce(TRY_CAST(spark_offset_part(zone, 4) AS INTEGER), 0))
  WHEN regexp_matches(zone, '^(?:Africa/Casablanca|Africa/El_Aaiun|America/Coyhaique|America/Edmonton|America/Ensenada|America/Havana|America/Inuvik|America/Rainy_River|America/Santa_Isabel|America/Tijuana|America/Vancouver|America/Winnipeg|America/Yellowknife|Asia/Tehran|Canada/Central|Canada/East-Saskatchewan|Canada/Mountain|Canada/Pacific|Mexico/BajaNorte|US/Pacific-New|ACT|AET|AGT|ART|AST|BET|BST|CAT|CNT|CST|CTT|EAT|ECT|EST|HST|IET|IST|JST|MIT|MST|NET|NST|PLT|PNT|PRT|PST|SST|VST|CET|MET|EET|WET|(?:EST5E|CST6C|MST7M|PST8P)DT|Cuba|Egypt|Eire|GB|GB-Eire|GMT0|Greenwich|Hongkong|Iceland|Iran|Israel|Jamaica|Japan|Kwajalein|Libya|NZ|NZ-CHAT|Navajo|PRC|Poland|Portugal|ROK|Singapore|Turkey|UCT|Universal|W-SU|Zulu)$')
  THEN error('the text of a time names the time zone ' || zone || ', which is not supported; write its offset, such as +01:00, or its region, such as Europe/Berlin') END;
-- without those whose rules differ between versions of the time zone database
CREATE TYPE spark_region AS ENUM (SELECT DISTINCT name FROM pg_timezone_names() WHERE regexp_matches(name,
  '^(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Brazil|Canada|Chile|Etc|Europe|Indian|Mexico|Pacific|US)/')
  AND name NOT IN ('Africa/Casablanca', 'Africa/El_Aaiun', 'America/Coyhaique', 'America/Edmonton', 'America/Ensenada', 'America/Havana', 'America/Inuvik', 'America/Rainy_River', 'America/Santa_Isabel', 'America/Tijuana', 'America/Vancouver', 'America/Winnipeg', 'America/Yellowknife', 'Asia/Tehran', 'Canada/Central', 'Canada/East-Saskatchewan', 'Canada/Mountain', 'Canada/Pacific', 'Mexico/BajaNorte', 'US/Pacific-New') ORDER BY name);
CREATE MACRO spark_is_region(zone) AS TRY_CAST(zone AS spark_region) IS NOT NULL;
-- the local time of a region; Java and ICU know different rules before 1970 and after 2037
CREATE MACRO spark_local(t, zone) AS CASE WHEN year(t) BETWEEN 1970 AND 2037
  THEN timezone(zone, timezone('UTC', t)) WHEN t IS NOT NULL
  THEN error('the time ' || t || ' cannot be converted between time zones: only the years 1970 to 2037 are supported') END;
CREATE MACRO spark_gap(t, zone, days) AS spark_local(t + to_days(days), zone) - (t + to_days(days));
-- in a gap the clock has not been put forward yet; of two times the earlier one counts
CREATE MACRO spark_utc_of(t, earlier, later, zone) AS
  CASE WHEN spark_local(earlier, zone) = t OR spark_local(later, zone) <> t THEN earlier ELSE later END;
CREATE MACRO spark_utc(time, zone) AS [[spark_utc_of(utc_local, utc_both[1], utc_both[2], zone)
  FOR utc_both IN [[utc_local - spark_gap(utc_local, zone, -1), utc_local - spark_gap(utc_local, zone, 1)]]][1] FOR utc_local IN [time]][1];
CREATE MACRO spark_time_of_pieces(p) AS
  CASE WHEN CAST(p[1] AS INTEGER) BETWEEN -290307 AND 294246 AND p[1] <> '0' AND CAST(p[4] AS INTEGER) < 24
    AND CAST(p[5] AS INTEGER) < 60 AND CAST(p[6] AS INTEGER) < 60
  THEN TRY(CAST(make_date(CAST(p[1] AS BIGINT), CAST(p[2] AS BIGINT), CAST(p[3] AS BIGINT)) AS TIMESTAMP)
    + to_seconds(3600 * CAST(p[4] AS INTEGER) + 60 * CAST(p[5] AS INTEGER) + CAST(p[6] AS INTEGER))
    + to_microseconds(CAST(rpad(p[7], 6, '0')[1:6] AS BIGINT))) END;
CREATE MACRO spark_zoned_time(p) AS
  CASE WHEN spark_is_region(p[8]) THEN spark_utc(spark_time_of_pieces(p), p[8])
  WHEN abs(spark_offset(p[8])) <= 64800 THEN spark_time_of_pieces(p) - to_seconds(spark_offset(p[8])) END;
CREATE MACRO spark_odd_text_to_time(s) AS [spark_zoned_time(p) FOR p IN spark_pieces(s)][1];
-- most texts of times need none of this
CREATE MACRO spark_text_to_time(s) AS CASE WHEN regexp_full_match(s,
  '[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}(?:[ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z?)?')
  THEN TRY_CAST(rtrim(s, 'Z') AS TIMESTAMP) WHEN s IS NOT NULL THEN spark_odd_text_to_time(s) END;
CREATE MACRO spark_double_to_long(x) AS
  CASE WHEN isnan(x) THEN 0 WHEN x >= 9223372036854775807 THEN 9223372036854775807
  WHEN x <= -9223372036854775808 THEN -9223372036854775808 ELSE CAST(trunc(x) AS BIGINT) END;
CREATE MACRO spark_double_to_int(x) AS
  CASE WHEN isnan(x) THEN 0 WHEN x >= 2147483647 THEN 2147483647 WHEN x <= -2147483648 THEN -2147483648
  ELSE CAST(trunc(x) AS INTEGER) END;
CREATE MACRO spark_round_double(x, places) AS
  CASE WHEN abs(x) < 1e9
  THEN CAST(CAST(round(CAST(CAST(x AS VARCHAR) AS DECIMAL(38, 28)), places) AS VARCHAR) AS DOUBLE)
  WHEN abs(x) < 9007199254740992
  THEN CAST(CAST(round(CAST(CAST(x AS VARCHAR) AS DECIMAL(38, 20)), places) AS VARCHAR) AS DOUBLE)
  ELSE x END;
-- microseconds wrap as Java's long does
CREATE MACRO spark_time_of_seconds(n) AS
  CASE WHEN abs(CAST(spark_long(CAST(n AS HUGEINT) * 1000000) AS HUGEINT)) < 9223372036854775807
  THEN make_timestamp(spark_long(CAST(n AS HUGEINT) * 1000000)) END;
CREATE MACRO spark_seconds(t) AS epoch_us(t) // 1000000 - CASE WHEN epoch_us(t) % 1000000 < 0 THEN 1 ELSE 0 END;
CREATE MACRO spark_whole_seconds(t) AS epoch_us(t) // 1000000;
CREATE MACRO spark_millis(t) AS epoch_us(t) // 1000 - CASE WHEN epoch_us(t) % 1000 < 0 THEN 1 ELSE 0 END;
CREATE MACRO spark_begin(s, start) AS
  CASE WHEN start > 0 THEN CAST(start AS BIGINT) - 1 WHEN start < 0 THEN length(s) + CAST(start AS BIGINT) ELSE 0 END;
CREATE MACRO spark_substring(s, start, size) AS
  CASE WHEN start IS NOT NULL AND size IS NOT NULL THEN substr(s, greatest(spark_begin(s, start), 0) + 1,
    greatest(spark_begin(s, start) + greatest(size, 0) - greatest(spark_begin(s, start), 0), 0)) END;
CREATE MACRO spark_left(s, size) AS CASE WHEN size IS NOT NULL THEN substr(s, 1, greatest(size, 0)) END;
CREATE MACRO spark_right(s, size) AS
  CASE WHEN size <= 0 THEN left(s, 0) WHEN size > 0 THEN substr(s, greatest(length(s) - size, 0) + 1) END;
CREATE MACRO spark_repeat(s, n) AS CASE WHEN n IS NOT NULL THEN repeat(s, greatest(n, 0)) END;
CREATE MACRO spark_pad_left(s, size, pad) AS
  CASE WHEN size <= 0 THEN left(s, 0) WHEN pad = '' THEN substr(s, 1, size) ELSE lpad(s, size, pad) END;
CREATE MACRO spark_pad_right(s, size, pad) AS
  CASE WHEN size <= 0 THEN left(s, 0) WHEN pad = '' THEN substr(s, 1, size) ELSE rpad(s, size, pad) END;
CREATE MACRO spark_substring_index(s, separator, n) AS
  CASE WHEN s IS NULL OR separator IS NULL OR n IS NULL THEN NULL WHEN separator = '' OR n = 0 THEN ''
  WHEN n > 0 THEN array_to_string(string_split(s, separator)[:n], separator)
  ELSE array_to_string(string_split(s, separator)[greatest(len(string_split(s, separator)) + n + 1, 1):], separator) END;
-- Spark fails, too, where a date is not one any more
CREATE MACRO spark_month(d, n) AS CAST(year(d) AS BIGINT) * 12 + month(d) - 1 + n;
CREATE MACRO spark_floor_div(a, b) AS (a - ((a % b) + b) % b) // b;
CREATE MACRO spark_add_months(d, n) AS
  CASE WHEN spark_floor_div(spark_month(d, n), 12) BETWEEN -5877000 AND 5881000
  THEN make_date(spark_floor_div(spark_month(d, n), 12), spark_month(d, n) - 12 * spark_floor_div(spark_month(d, n), 12) + 1,
    least(day(d), day(last_day(make_date(2000 + CAST(spark_floor_div(spark_month(d, n), 12) - 400 * spark_floor_div(spark_floor_div(spark_month(d, n), 12), 400) AS BIGINT),
      spark_month(d, n) - 12 * spark_floor_div(spark_month(d, n), 12) + 1, 1)))))
  WHEN d IS NOT NULL AND n IS NOT NULL THEN error('add_months: the result is not a date any more') END;
CREATE MACRO spark_last_day(d) AS CAST(last_day(d) AS DATE);
CREATE MACRO spark_time_to_text(t) AS
  spark_year(t) || strftime(t, '-%m-%d %H:%M:%S') || regexp_replace(regexp_replace('.' || strftime(t, '%f'), '0+$', ''), '^\.$', '');
CREATE MACRO spark_reverse(s) AS array_to_string([substr(s, i, 1) for i in range(length(s), 0, -1)], '');
-- a sigma at the end of a word has a small letter of its own; Java asks its rules for the bounds of words
CREATE MACRO spark_final_sigma(s) AS CASE WHEN NOT contains(s, 'Σ') THEN s
  WHEN regexp_matches(s, 'Σ[^\p{Lu}\p{Ll}\p{Lt}\s,;!?()"/]|[^\p{Lu}\p{Ll}\p{Lt}\s,;!?()"/]Σ')
  THEN error('lower: the text ' || s || ' has a Σ beside a character that may belong to its word, which is not supported')
  ELSE regexp_replace(s, '([\p{Lu}\p{Ll}\p{Lt}])Σ([\s,;!?()"/]|$)', '\1ς\2', 'g') END;
CREATE MACRO spark_lower(s) AS lower(spark_final_sigma(replace(s, 'İ', 'i̇')));
-- letters that become several
CREATE MACRO spark_upper_letter(c) AS CASE c
  WHEN 'ß' THEN 'SS' WHEN 'ŉ' THEN 'ʼN' WHEN 'ǰ' THEN 'J̌' WHEN 'ΐ' THEN 'Ϊ́' WHEN 'ΰ' THEN 'Ϋ́' WHEN 'և' THEN 'ԵՒ'
  WHEN 'ẖ' THEN 'H̱' WHEN 'ẗ' THEN 'T̈' WHEN 'ẘ' THEN 'W̊' WHEN 'ẙ' THEN 'Y̊' WHEN 'ẚ' THEN 'Aʾ' WHEN 'ὐ' THEN 'Υ̓'
  WHEN 'ὒ' THEN 'Υ̓̀' WHEN 'ὔ' THEN 'Υ̓́' WHEN 'ὖ' THEN 'Υ̓͂' WHEN 'ᾀ' THEN 'ἈΙ' WHEN 'ᾁ' THEN 'ἉΙ' WHEN 'ᾂ' THEN 'ἊΙ'
  WHEN 'ᾃ' THEN 'ἋΙ' WHEN 'ᾄ' THEN 'ἌΙ' WHEN 'ᾅ' THEN 'ἍΙ' WHEN 'ᾆ' THEN 'ἎΙ' WHEN 'ᾇ' THEN 'ἏΙ' WHEN 'ᾈ' THEN 'ἈΙ'
  WHEN 'ᾉ' THEN 'ἉΙ' WHEN 'ᾊ' THEN 'ἊΙ' WHEN 'ᾋ' THEN 'ἋΙ' WHEN 'ᾌ' THEN 'ἌΙ' WHEN 'ᾍ' THEN 'ἍΙ' WHEN 'ᾎ' THEN 'ἎΙ'
  WHEN 'ᾏ' THEN 'ἏΙ' WHEN 'ᾐ' THEN 'ἨΙ' WHEN 'ᾑ' THEN 'ἩΙ' WHEN 'ᾒ' THEN 'ἪΙ' WHEN 'ᾓ' THEN 'ἫΙ' WHEN 'ᾔ' THEN 'ἬΙ'
  WHEN 'ᾕ' THEN 'ἭΙ' WHEN 'ᾖ' THEN 'ἮΙ' WHEN 'ᾗ' THEN 'ἯΙ' WHEN 'ᾘ' THEN 'ἨΙ' WHEN 'ᾙ' THEN 'ἩΙ' WHEN 'ᾚ' THEN 'ἪΙ'
  WHEN 'ᾛ' THEN 'ἫΙ' WHEN 'ᾜ' THEN 'ἬΙ' WHEN 'ᾝ' THEN 'ἭΙ' WHEN 'ᾞ' THEN 'ἮΙ' WHEN 'ᾟ' THEN 'ἯΙ' WHEN 'ᾠ' THEN 'ὨΙ'
  WHEN 'ᾡ' THEN 'ὩΙ' WHEN 'ᾢ' THEN 'ὪΙ' WHEN 'ᾣ' THEN 'ὫΙ' WHEN 'ᾤ' THEN 'ὬΙ' WHEN 'ᾥ' THEN 'ὭΙ' WHEN 'ᾦ' THEN 'ὮΙ'
  WHEN 'ᾧ' THEN 'ὯΙ' WHEN 'ᾨ' THEN 'ὨΙ' WHEN 'ᾩ' THEN 'ὩΙ' WHEN 'ᾪ' THEN 'ὪΙ' WHEN 'ᾫ' THEN 'ὫΙ' WHEN 'ᾬ' THEN 'ὬΙ'
  WHEN 'ᾭ' THEN 'ὭΙ' WHEN 'ᾮ' THEN 'ὮΙ' WHEN 'ᾯ' THEN 'ὯΙ' WHEN 'ᾲ' THEN 'ᾺΙ' WHEN 'ᾳ' THEN 'ΑΙ' WHEN 'ᾴ' THEN 'ΆΙ'
  WHEN 'ᾶ' THEN 'Α͂' WHEN 'ᾷ' THEN 'Α͂Ι' WHEN 'ᾼ' THEN 'ΑΙ' WHEN 'ῂ' THEN 'ῊΙ' WHEN 'ῃ' THEN 'ΗΙ' WHEN 'ῄ' THEN 'ΉΙ'
  WHEN 'ῆ' THEN 'Η͂' WHEN 'ῇ' THEN 'Η͂Ι' WHEN 'ῌ' THEN 'ΗΙ' WHEN 'ῒ' THEN 'Ϊ̀' WHEN 'ΐ' THEN 'Ϊ́' WHEN 'ῖ' THEN 'Ι͂'
  WHEN 'ῗ' THEN 'Ϊ͂' WHEN 'ῢ' THEN 'Ϋ̀' WHEN 'ΰ' THEN 'Ϋ́' WHEN 'ῤ' THEN 'Ρ̓' WHEN 'ῦ' THEN 'Υ͂' WHEN 'ῧ' THEN 'Ϋ͂'
  WHEN 'ῲ' THEN 'ῺΙ' WHEN 'ῳ' THEN 'ΩΙ' WHEN 'ῴ' THEN 'ΏΙ' WHEN 'ῶ' THEN 'Ω͂' WHEN 'ῷ' THEN 'Ω͂Ι' WHEN 'ῼ' THEN 'ΩΙ'
  WHEN 'ﬀ' THEN 'FF' WHEN 'ﬁ' THEN 'FI' WHEN 'ﬂ' THEN 'FL' WHEN 'ﬃ' THEN 'FFI' WHEN 'ﬄ' THEN 'FFL' WHEN 'ﬅ' THEN 'ST'
  WHEN 'ﬆ' THEN 'ST' WHEN 'ﬓ' THEN 'ՄՆ' WHEN 'ﬔ' THEN 'ՄԵ' WHEN 'ﬕ' THEN 'ՄԻ' WHEN 'ﬖ' THEN 'ՎՆ' WHEN 'ﬗ' THEN 'ՄԽ'
  ELSE upper(c) END;
CREATE MACRO spark_upper(s) AS CASE WHEN regexp_matches(s, '[ßŉǰΐΰևẖẗẘẙẚὐὒὔὖᾀᾁᾂᾃᾄᾅᾆᾇᾈᾉᾊᾋᾌᾍᾎᾏᾐᾑᾒᾓᾔᾕᾖᾗᾘᾙᾚᾛᾜᾝᾞᾟᾠᾡᾢᾣᾤᾥᾦᾧᾨᾩᾪᾫᾬᾭᾮᾯᾲᾳᾴᾶᾷᾼῂῃῄῆῇῌῒΐῖῗῢΰῤῦῧῲῳῴῶῷῼﬀﬁﬂﬃﬄﬅﬆﬓﬔﬕﬖﬗ]')
  THEN array_to_string([spark_upper_letter(substr(s, i, 1)) for i in range(1, length(s) + 1)], '') ELSE upper(s) END;
CREATE MACRO spark_zone(zone) AS CASE WHEN spark_is_region(zone) OR abs(spark_offset(zone)) <= 64800 THEN zone
  ELSE error('the time zone ' || zone || ' is not supported; write a region, such as Europe/Berlin, or an offset, such as +01:00') END;
CREATE MACRO spark_from_utc(t, zone) AS
  CASE WHEN spark_is_region(spark_zone(zone)) THEN spark_local(t, zone) ELSE t + to_seconds(spark_offset(zone)) END;
CREATE MACRO spark_to_utc(t, zone) AS
  CASE WHEN spark_is_region(spark_zone(zone)) THEN spark_utc(t, zone) ELSE t - to_seconds(spark_offset(zone)) END;
CREATE MACRO spark_decimal_text(s) AS
  CASE WHEN regexp_full_match(spark_blank(s), '[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?') THEN ltrim(spark_blank(s), '+') END;
CREATE MACRO spark_distinct(items) AS [item FOR item, place IN items IF list_position(items, item) = place];
CREATE MACRO spark_months_between(a, b) AS CASE
  WHEN a IS NULL OR b IS NULL THEN NULL
  WHEN day(a) = day(b) OR (day(a) = day(last_day(a)) AND day(b) = day(last_day(b)))
  THEN CAST((year(a) - year(b)) * 12 + month(a) - month(b) AS DOUBLE)
  ELSE spark_round_double((year(a) - year(b)) * 12 + month(a) - month(b)
    + ((day(a) - day(b)) * 86400 + epoch_us(a - date_trunc('day', a)) // 1000000 - epoch_us(b - date_trunc('day', b)) // 1000000) / 2678400.0::DOUBLE, 8) END;
CREATE MACRO spark_initcap(s) AS CASE
  WHEN regexp_matches(regexp_replace(s, '[\x{0}-\x{de}\x{e0}-\x{148}\x{14a}-\x{17f}\x{391}-\x{3a1}\x{3a3}-\x{3a9}\x{3b1}-\x{3c9}\x{400}-\x{45f}]', '', 'g'), '\p{L}|\p{M}')
  THEN error('initcap: the text ' || s || ' has letters that are not supported')
  ELSE array_to_string([upper(substr(word, 1, 1)) || substr(word, 2) FOR word IN string_split(spark_lower(s), ' ')], ' ') END;
CREATE MACRO spark_double_digits(x) AS CASE WHEN abs(x) >= 1e15 AND isfinite(x)
  THEN error('the DOUBLE ' || x || ' is too large for a CAST to DECIMAL; CAST it to BIGINT first') ELSE CAST(x AS VARCHAR) END;
CREATE MACRO spark_long_to_time(n) AS CASE WHEN abs(CAST(n AS HUGEINT)) <= 9223372036854 THEN make_timestamp(CAST(n AS BIGINT) * 1000000)
  WHEN n IS NOT NULL THEN error('the time ' || n || ' seconds from 1970-01-01 cannot be represented') END;
CREATE MACRO spark_slice(items, start, size) AS CASE WHEN start = 0 OR size < 0 THEN error('slice: the start must not be 0, and the length not be negative')
  WHEN start < 0 AND -start > len(items) THEN items[1:0]
  ELSE list_slice(items, CASE WHEN start < 0 THEN len(items) + start + 1 ELSE start END,
    CASE WHEN start < 0 THEN len(items) + start ELSE start - 1 END + size) END;
