-- A row for each value in the JSON columns of users: what is no object and no array, and empty ones.
--
-- No JSON function of an engine is asked for more than to decode a string: they differ in what they make of numbers, of a key that is there twice and of
-- nulls. The text is cut into tokens, and windows over the tokens find the structure. Within a depth the tokens of a container end with what closes it, so the number of
-- closings before a token tells which container it is in, the number of commas its place there, and the token two before it, with a colon between, its key. A value's
-- path is made of what encloses it. JSON text has no raw control characters: U+0001 and U+0002 stand for escaped backslashes and quotation marks meanwhile.
CREATE OR REPLACE TABLE __lake_values__ AS
WITH documents AS (
    SELECT org_id, user_id, 'additional_context' AS column_name, additional_context AS doc FROM __users__ WHERE NOT additional_context IS NULL
    UNION ALL
    SELECT org_id, user_id, 'preferences' AS column_name, preferences AS doc FROM __users__ WHERE NOT preferences IS NULL
    UNION ALL
    SELECT org_id, user_id, 'user_models' AS column_name, user_models AS doc FROM __users__ WHERE NOT user_models IS NULL
), cut AS (
    SELECT
        org_id, user_id, column_name,
        REGEXP_EXTRACT_ALL(REPLACE(REPLACE(doc, '\\', CHR(1)), '\"', CHR(2)), '"[^"]*"|[\[\]{}:,]|[-+.0-9A-Za-z]+') AS tokens
    FROM documents
), tokens AS (
    SELECT c.org_id, c.user_id, c.column_name, x.place, x.token
    FROM cut AS c
    CROSS JOIN UNNEST(c.tokens) WITH ORDINALITY AS x(token, place)
), nested AS (
    SELECT
        t.*,
        SUM(CASE WHEN token IN ('{', '[') THEN 1 WHEN token IN ('}', ']') THEN -1 ELSE 0 END) OVER (
            PARTITION BY org_id, user_id, column_name ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS opened,
        LEAD(token) OVER (PARTITION BY org_id, user_id, column_name ORDER BY place) AS following
    FROM tokens AS t
), placed AS (
    SELECT
        n.*,
        CASE WHEN token IN ('{', '[') THEN opened - 1 WHEN token IN ('}', ']') THEN opened + 1 ELSE opened END AS depth
    FROM nested AS n
), contained AS (
    SELECT
        p.*,
        LAG(token) OVER (PARTITION BY org_id, user_id, column_name, depth ORDER BY place) AS before,
        LAG(token, 2) OVER (PARTITION BY org_id, user_id, column_name, depth ORDER BY place) AS before_that,
        COALESCE(SUM(CASE WHEN token IN ('}', ']') THEN 1 ELSE 0 END) OVER (
            PARTITION BY org_id, user_id, column_name, depth ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS container
    FROM placed AS p
), counted AS (
    SELECT
        c.*,
        SUM(CASE WHEN token = ',' THEN 1 ELSE 0 END) OVER (
            PARTITION BY org_id, user_id, column_name, depth, container ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS position
    FROM contained AS c
), parts AS (
    SELECT
        c.*,
        CASE
            WHEN depth = 0 THEN ''
            WHEN before = ':' AND REGEXP_MATCHES(before_that, '^"[A-Za-z_][0-9A-Za-z_]*"$') THEN CONCAT('.', REPLACE(before_that, '"', ''))
            WHEN before = ':' THEN CONCAT('.', before_that)
            ELSE CONCAT('[', CAST(position AS VARCHAR), ']')
        END AS part,
        LEAD(place) OVER (PARTITION BY org_id, user_id, column_name, depth ORDER BY place) AS until
    FROM counted AS c
    WHERE NOT token IN ('}', ']', ':', ',') AND following IS DISTINCT FROM ':'
), leaves AS (
    SELECT * FROM parts WHERE NOT token IN ('{', '[') OR following IN ('}', ']')
), paths AS (
    SELECT
        v.org_id, v.user_id, v.column_name, v.place, v.token,
        ARRAY_TO_STRING(LIST_TRANSFORM(LIST_SORT(ARRAY_AGG(CONCAT(LPAD(CAST(a.depth AS VARCHAR), 9, '0'), a.part))), p -> SUBSTRING(p, 10)), '') AS path
    FROM leaves AS v
    JOIN parts AS a
        ON a.org_id = v.org_id AND a.user_id = v.user_id AND a.column_name = v.column_name
        AND a.depth <= v.depth AND a.place <= v.place AND (a.until IS NULL OR a.until > v.place)
    GROUP BY v.org_id, v.user_id, v.column_name, v.place, v.token
), whole AS (
    SELECT
        org_id, user_id, column_name,
        CONCAT('$.', column_name, REPLACE(REPLACE(path, CHR(2), '\"'), CHR(1), '\\')) AS path,
        token,
        REPLACE(REPLACE(token, CHR(2), '\"'), CHR(1), '\\') AS text,
        REGEXP_MATCHES(
            ARRAY_TO_STRING(
                REGEXP_EXTRACT_ALL(token, '\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\u0000'), ','
            ),
            '(^|,).{6}(,|$)'
        ) AS undecodable
    FROM paths
)
SELECT
    org_id, user_id, column_name, path,
    CASE
        WHEN token LIKE '"%' AND undecodable THEN 'escaped'
        WHEN token LIKE '"%' THEN 'string'
        WHEN token IN ('true', 'false') THEN 'boolean'
        WHEN token = 'null' THEN 'null'
        WHEN token = '{' THEN 'object'
        WHEN token = '[' THEN 'array'
        ELSE 'number'
    END AS type,
    CASE
        WHEN token IN ('null', '{', '[') THEN NULL
        WHEN NOT token LIKE '"%' THEN token
        WHEN undecodable THEN text
        WHEN STRPOS(text, '\') = 0 THEN REPLACE(text, '"', '')
        ELSE JSON_EXTRACT_STRING(CONCAT('{"v":', text, '}'), '$.v')
    END AS value,
    __run__ AS _run_id
FROM whole;
