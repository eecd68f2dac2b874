-- One row for each person over all organizations. Users with one e-mail address are one person: blanks around it and the case of A to Z make no difference. A
-- user without an address is a person. The person's columns are those of the user who was updated last; of several, the first by organization and id.
CREATE OR REPLACE TABLE __lake_people__ AS
WITH keyed AS (
    SELECT
        u.*,
        NULLIF(TRANSLATE(REGEXP_REPLACE(REGEXP_REPLACE(email, '^[ \t\r\n]+', ''), '[ \t\r\n]+$', ''), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), '') AS person_email
    FROM __users__ AS u
), people AS (
    SELECT
        k.*,
        CASE WHEN person_email IS NULL THEN org_id ELSE '' END AS alone_org_id,
        CASE WHEN person_email IS NULL THEN user_id ELSE '' END AS alone_user_id
    FROM keyed AS k
), ranked AS (
    SELECT
        p.*,
        ROW_NUMBER() OVER (PARTITION BY person_email, alone_org_id, alone_user_id ORDER BY updated_at DESC NULLS LAST, org_id ASC NULLS FIRST, user_id ASC NULLS FIRST) AS place
    FROM people AS p
), counted AS (
    SELECT
        person_email, alone_org_id, alone_user_id,
        COUNT(*) AS num_users,
        COUNT(DISTINCT org_id) AS num_orgs,
        LIST_SORT(ARRAY_AGG(DISTINCT org_id)) AS org_ids
    FROM people
    GROUP BY person_email, alone_org_id, alone_user_id
)
SELECT
    r.person_email, c.num_users, c.num_orgs, c.org_ids, r._id, r.additional_context, r.email, r.first_name, r.last_name, r.org_id, r.preferences, r.region_name,
    r.role, r.updated_at, r.user_id, r.user_models, __run__ AS _run_id
FROM ranked AS r
JOIN counted AS c
    ON c.person_email IS NOT DISTINCT FROM r.person_email AND c.alone_org_id = r.alone_org_id AND c.alone_user_id = r.alone_user_id
WHERE r.place = 1;
